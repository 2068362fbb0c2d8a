"""Compositions kept on disk: composing takes a third of a second, and ``plan`` asks for dozens.

The key is the items and the bytes of everything that composing reads (conf/ and the modules that judge), so a change
there is seen at once. What is kept is only a copy: delete it at any time.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from lora_repro import checks, compose, config, overrides, records
from lora_repro.config import DataConfig, ModelConfig, RecipeConfig, RunConfig, TaskConfig, TrackerConfig


class Composed:
    """``compose_run`` with a memory in ``<runs>/.composed``."""

    def __init__(self, runs: Path) -> None:
        self._folder = runs / ".composed" / _fingerprint()

    def config(self, items: Sequence[str]) -> RunConfig:
        """The checked configuration of `items`.

        Raises:
            ConfigError: the settings are wrong.
        """
        path = self._folder / f"{hashlib.sha256(json.dumps(list(items)).encode()).hexdigest()[:20]}.json"
        try:
            return _from_plain(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"warning: {path} cannot be read ({type(error).__name__}: {error}); composing again")
        made = compose.compose_run(items)
        self._keep(path, made)
        return made

    def _keep(self, path: Path, made: RunConfig) -> None:
        try:
            if not self._folder.exists():  # conf/ has changed: what stands beside is of no use any more
                shutil.rmtree(self._folder.parent, ignore_errors=True)
            records.write_atomically(path, json.dumps(asdict(made)).encode())
        except OSError as error:  # a read-only or full disk costs time here, not the plan
            print(f"warning: {path} cannot be written ({error}); planning goes on, more slowly")


def _from_plain(raw: dict[str, Any]) -> RunConfig:
    return RunConfig(
        **{
            **raw,
            "model": ModelConfig(**raw["model"]),
            "method": overrides.METHODS[raw["method"]["name"]](**raw["method"]),
            "task": TaskConfig(**raw["task"]),
            "recipe": RecipeConfig(**raw["recipe"]),
            "tracker": TrackerConfig(**raw["tracker"]),
            "data": DataConfig(**raw["data"]),
        }
    )


@cache
def _fingerprint() -> str:
    found = hashlib.sha256()
    modules = [Path(module.__file__ or "") for module in (checks, compose, config, overrides)]
    for path in [*modules, *sorted(overrides.config_dir().rglob("*.yaml"))]:
        found.update(path.name.encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
