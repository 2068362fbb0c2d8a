"""Locks: one owner at a time, named to the others, gone with the process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lora_repro import locks
from lora_repro.errors import HeldError
from lora_repro.locks import Owner, hold, owner

HOLDER = """
import sys, time
from pathlib import Path
from lora_repro.locks import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_process_is_told_who_holds_the_run(tmp_path: Path) -> None:
    process = holder(tmp_path / "run")
    try:
        message = rf"held by process {process.pid} on .+ since 20.+; nothing was started"
        with pytest.raises(HeldError, match=message), hold(tmp_path / "run"):
            pytest.fail("two owners")
    finally:
        process.kill()
        process.wait()


def test_a_killed_owner_leaves_no_lock_behind(tmp_path: Path) -> None:
    process = holder(tmp_path / "run")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with hold(tmp_path / "run"):
        pass


def test_a_released_run_can_be_held_again(tmp_path: Path) -> None:
    for _ in range(2):
        with hold(tmp_path):
            pass


def elsewhere(folder: Path, silent: float) -> None:
    """The lock of an owner on another machine that was last heard of `silent` seconds ago."""
    folder.mkdir()
    owner = Owner("far", 4321, "2026-01-01T00:00:00+00:00", "another kernel", "its token")
    (folder / "lock").write_text(json.dumps(vars(owner)))
    then = time.time() - silent
    os.utime(folder / "lock", (then, then))


def test_a_living_owner_elsewhere_keeps_its_run(tmp_path: Path) -> None:
    elsewhere(tmp_path / "run", silent=10)
    with (
        pytest.raises(HeldError, match=r"held by process 4321 on far since .*, \d+ s ago it was alive"),
        hold(tmp_path / "run"),
    ):
        pytest.fail("two owners")
    assert owner(tmp_path / "run") is not None


def test_a_dead_owner_elsewhere_is_taken_over(tmp_path: Path) -> None:
    elsewhere(tmp_path / "run", silent=locks.STALE + 1)
    assert owner(tmp_path / "run") is None
    with hold(tmp_path / "run"):
        found = owner(tmp_path / "run")
        assert found is not None and found.process == os.getpid()
    assert owner(tmp_path / "run") is None


def test_an_owner_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT", 0.02)
    with hold(tmp_path):
        then = time.time() - 50
        os.utime(tmp_path / "lock", (then, then))
        deadline = time.monotonic() + 10
        while (tmp_path / "lock").stat().st_mtime < then + 40:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_an_owner_that_was_taken_over_is_asked_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Suspended for too long: it notices at its next sign of life and leaves the new owner's lock alone."""
    monkeypatch.setattr(locks, "BEAT", 0.02)
    asked: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    try:
        with hold(tmp_path) as holding:
            heir = Owner("far", 1, "2026-01-01T00:00:00+00:00", "another kernel", "the heir's")
            (tmp_path / "lock").write_text(json.dumps(vars(heir)))
            deadline = time.monotonic() + 10
            while not asked:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert holding.lost
    finally:
        signal.signal(signal.SIGTERM, before)
    assert owner(tmp_path) == heir
