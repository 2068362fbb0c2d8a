"""``lora-repro wandb-sync``: send what was tracked offline to W&B.

A run that was interrupted or requeued has left one offline folder for each attempt, all under the run's own id; sent
together under that id they become one run, and `global_step`, which every point carries, joins them.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lora_repro.errors import ConfigError, UserError


class SyncError(UserError):
    """W&B did not take a run."""

    exit_code = 1


def offline_folders(runs: Path) -> dict[str, list[Path]]:
    """Offline folders that were not sent yet, by W&B id, in the order of their making.

    A folder is called ``offline-run-<time>-<id>`` and its file ``run-<id>.wandb``; wandb marks one that was sent with a
    file ``.synced`` beside it.
    """
    found: dict[str, list[Path]] = {}
    for file in sorted(runs.rglob("wandb/offline-run-*/run-*.wandb"), key=lambda path: path.parent.name):
        if not file.with_name(f"{file.name}.synced").exists():
            found.setdefault(file.stem.removeprefix("run-"), []).append(file.parent)
    return found


def main(argv: Sequence[str]) -> int:
    """Send every folder; names those that failed. 1 when one failed."""
    parser = argparse.ArgumentParser(prog="lora-repro wandb-sync", description=__doc__)
    parser.add_argument("--runs", default="runs", help="work folders (default: %(default)s)")
    parser.add_argument("--dry", action="store_true", help="show what would be sent and stop")
    arguments = parser.parse_args(argv)
    try:
        import wandb  # noqa: F401  (is it there?)
    except ImportError as error:
        raise ConfigError("wandb-sync needs the package wandb: pip install 'lora-repro[wandb]'") from error
    found = offline_folders(Path(arguments.runs))
    print(f"{len(found)} runs in {sum(map(len, found.values()))} offline folders below {arguments.runs}")
    failed = []
    for run, folders in found.items():
        print("\n".join(f"  {run}  {folder}" for folder in folders))
        if not arguments.dry:
            command = [sys.executable, "-m", "wandb", "sync", "--id", run, *map(str, folders)]
            failed += [run] if subprocess.run(command).returncode else []
    if failed:
        raise SyncError(f"W&B did not take {', '.join(failed)}; the same command tries again")
    return 0
