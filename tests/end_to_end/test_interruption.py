"""Killed in mid-epoch and started again: the same losses, metrics and weights as a run that was left alone."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from lora_repro import records
from lora_repro.compose import compose_run
from lora_repro.records import Record
from lora_repro.run import run, run_folder
from tests.end_to_end.conftest import overrides
from tests.end_to_end.launcher import Launcher, Started, launching

SHORT = ("recipe.epochs=10", "save_every_minutes=0")  # a checkpoint after every step; long enough for a late kill


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with launching() as made:
        yield made


def wait_for(path: Path, process: Started, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.errors()
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.005)


def written(path: Path) -> int:
    """When; 0 while there is none, as between the renaming of one state and of the next."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def science_of(record: Record) -> tuple:
    """All that must not depend on interruptions: everything but times."""
    epochs = [(e.epoch, e.step, e.train_loss, e.eval_loss, e.metrics, e.headline, e.collapsed) for e in record.epochs]
    return record.identity, epochs, record.best.epoch, record.parameters, record.splits, record.cost.train_tokens


@pytest.fixture(scope="module")
def undisturbed(tiny_bert: Path, toy_rte: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Path]:
    config = compose_run(overrides(tiny_bert, toy_rte, tmp_path_factory.mktemp("undisturbed"), *SHORT))
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the child processes: sums in the same order
    try:
        return run(config), run_folder(config)
    finally:
        torch.set_num_threads(threads)


def test_kill_9_in_mid_epoch_costs_nothing_but_time(
    launcher: Launcher, undisturbed: tuple[Record, Path], tiny_bert: Path, toy_rte: Path, tmp_path: Path
) -> None:
    arguments = overrides(tiny_bert, toy_rte, tmp_path, *SHORT)
    config = compose_run(arguments)
    kills = 0
    for _ in range(3):  # each time somewhere else: as soon as the state of this attempt is there
        process = launcher.start("run", *arguments)
        folder = run_folder(config)
        newest = folder / "resume.pt"
        before = written(newest)
        wait_for(newest, process)
        while process.poll() is None and written(newest) == before:
            time.sleep(0.002)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills == 3
    assert not records.record_path(config).exists()
    finished = launcher.start("run", *arguments)
    assert finished.wait() == 0, finished.errors()

    reference, reference_folder = undisturbed
    record = records.load(records.record_path(config))
    assert science_of(record) == science_of(reference)
    for name in ("best.safetensors", "last.safetensors"):
        ours, theirs = load_file(run_folder(config) / name), load_file(reference_folder / name)
        assert ours.keys() == theirs.keys()
        assert all(ours[key].equal(theirs[key]) for key in ours)


def test_sigterm_saves_says_so_and_goes_on(
    launcher: Launcher, undisturbed: tuple[Record, Path], tiny_bert: Path, toy_rte: Path, tmp_path: Path
) -> None:
    arguments = overrides(tiny_bert, toy_rte, tmp_path, *SHORT, "save_every_minutes=60", "recipe.epochs=300")
    config = compose_run(arguments)
    process = launcher.start("run", *arguments)
    wait_for(run_folder(config) / "last.safetensors", process)  # it is training
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 130
    errors = process.errors()
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    assert (run_folder(config) / "resume.pt").exists()


def test_a_damaged_state_is_passed_over_for_the_one_before(
    launcher: Launcher, undisturbed: tuple[Record, Path], tiny_bert: Path, toy_rte: Path, tmp_path: Path
) -> None:
    arguments = overrides(tiny_bert, toy_rte, tmp_path, *SHORT)
    config = compose_run(arguments)
    process = launcher.start("run", *arguments)
    wait_for(run_folder(config) / "resume.previous.pt", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (run_folder(config) / "resume.pt").write_bytes(b"half a checkpoint")
    finished = launcher.start("run", *arguments)
    assert finished.wait() == 0
    assert science_of(records.load(records.record_path(config))) == science_of(undisturbed[0])


def test_a_second_process_says_who_is_on_the_run_and_leaves(
    launcher: Launcher, tiny_bert: Path, toy_rte: Path, tmp_path: Path
) -> None:
    arguments = overrides(tiny_bert, toy_rte, tmp_path, *SHORT, "recipe.epochs=300")
    config = compose_run(arguments)
    first = launcher.start("run", *arguments)
    try:
        wait_for(run_folder(config) / "resume.pt", first)
        second = launcher.start("run", *arguments)
        assert second.wait() == 3
        errors = second.errors()
        assert f"is held by process {first.pid} on " in errors
        assert "Traceback" not in errors
    finally:
        first.kill()
        first.wait()


def test_a_state_of_other_data_is_refused(launcher: Launcher, tiny_bert: Path, toy_rte: Path, tmp_path: Path) -> None:
    arguments = overrides(tiny_bert, toy_rte, tmp_path, *SHORT)
    config = compose_run(arguments)
    process = launcher.start("run", *arguments)
    wait_for(run_folder(config) / "resume.pt", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    other = tmp_path / "other" / "RTE"
    other.mkdir(parents=True)
    for name in ("train.tsv", "dev.tsv"):
        (other / name).write_text((toy_rte / "RTE" / name).read_text().replace("cat", "dog"))
    again = launcher.start("run", *overrides(tiny_bert, other.parent, tmp_path, *SHORT))
    assert again.wait() == 2
    errors = again.errors()
    assert "was written with data" in errors
    assert "or delete the folder to start again" in errors
