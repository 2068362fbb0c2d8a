"""No network: whatever needs the hub ends within seconds and names the three ways on."""

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.conftest import environment

WAYS_ON = ("set data.dir", "set model.path", "use the embedded default")
RUN = ["model=roberta-base", "method=lora", "task=rte", "recipe=official"]


@contextmanager
def nowhere(kind: str) -> Iterator[str]:
    """The address of a hub that refuses, or that takes the connection and never answers."""
    if kind == "refuses":
        yield "http://127.0.0.1:9"
        return
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


def offline(command: list[str], endpoint: str, home: Path) -> tuple[str, float]:
    """Run a module of ours with empty caches and no hub.

    Returns:
        What it said, and its seconds: the processor's from the start of the process to its end, which a busy machine
        does not stretch, and those that it can have slept.
    """
    lost = environment(HF_HOME=str(home), HF_ENDPOINT=endpoint)
    lost.pop("HF_HUB_OFFLINE")
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *command], env=lost, cwd=home, capture_output=True, text=True, timeout=120, check=False
    )
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    computed = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not [*home.rglob("records/**/*.json"), *(home / "results").rglob("*.json")]
    return done.stderr, min(wall, computed + PROBE)


PROBE = 2.5  # seconds that hub_reachable waits for at most; the only wait there is


@pytest.mark.parametrize(
    ("command", "hub", "missing"),
    [
        (["lora_repro.cli", "run", *RUN], "refuses", "GLUE task rte (nyu-mll/glue)"),
        (["lora_repro.cli", "run", *RUN], "is silent", "GLUE task rte (nyu-mll/glue)"),
        (
            ["lora_repro.cli", "run", *RUN, "data.dir={data}"],
            "refuses",
            "backbone roberta-base (FacebookAI/",
        ),
        (["lora_repro.run", *RUN], "refuses", "GLUE task rte (nyu-mll/glue)"),
        (["lora_repro.cli", "glue"], "refuses", "GLUE task mnli (nyu-mll/glue)"),
    ],
    ids=["data", "data, silent", "backbone", "Hydra", "glue"],
)
def test_the_hub_is_not_waited_for(command: list[str], hub: str, missing: str, toy_rte: Path, tmp_path: Path) -> None:
    with nowhere(hub) as endpoint:
        said, seconds = offline([word.format(data=toy_rte) for word in command], endpoint, tmp_path)
    assert missing in said and "is not on this machine" in said
    assert all(way in said for way in WAYS_ON)
    assert seconds < 5
