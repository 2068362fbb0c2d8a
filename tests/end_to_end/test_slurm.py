"""Studies on a real Slurm: arrays, dependencies, the time limit, cancelled and killed jobs, a node that fails.

One checkout of its own, so that the commit that jobs run is known and can be broken after they are submitted. Slow runs
sleep at every step (a sitecustomize that ``--setup`` puts in the way): they cost time, not processors.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lora_repro import records
from lora_repro.compose import compose_run
from lora_repro.locks import owner
from lora_repro.overrides import config_dir
from lora_repro.run import run, run_folder
from tests.end_to_end.conftest import environment, overrides
from tests.end_to_end.test_interruption import science_of
from tests.slurm_sandbox import Sandbox

METHODS = "ft bitfit lora adapter_h adapter_p adapter_d"  # the last one fails: it drops 3 of 2 blocks
SLOW = """\
import os, signal, sys, time

def slow_down(*_):
    if not hasattr(sys.modules.get("lora_repro.run"), "main"):
        return  # still importing
    signal.setitimer(signal.ITIMER_REAL, 0)
    utils = sys.modules["torch"].nn.utils
    clip = utils.clip_grad_norm_  # called once a step
    utils.clip_grad_norm_ = lambda *given: (time.sleep(3 if os.path.exists({brake!r}) else 0), clip(*given))[1]

if "run" in sys.orig_argv:  # the run, not the task that watches over it
    signal.signal(signal.SIGALRM, slow_down)
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
"""

pytestmark = [
    pytest.mark.skipif(Sandbox.missing() is not None, reason=f"no Slurm: {Sandbox.missing()}"),
    pytest.mark.timeout(900),
]


@dataclass
class Cluster:
    """A Slurm, a checkout to submit from, and where runs go."""

    slurm: Sandbox
    checkout: Path
    commit: str
    backbone: Path
    data: Path
    out: Path

    def cli(self, *arguments: str) -> str:
        """What ``lora-repro ...`` of the checkout prints."""
        done = subprocess.run(
            [sys.executable, "-m", "lora_repro.cli", *arguments],
            cwd=self.checkout,
            env=environment(PYTHONPATH=str(self.checkout), **self.slurm.environment),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def glue(self, *arguments: str, verb: str = "glue", epochs: int = 2) -> str:
        """``lora-repro glue`` (or ``plan glue``) on the tiny backbone."""
        items = self.items(epochs=epochs)
        apart = ("model", "method", "task", "recipe", "model.path", "data.dir", "data.sources", "records", "runs")
        settings = [item for item in items if item.split("=")[0] not in apart]
        words = {
            "model": "minilm-l6",
            "recipe": "mini",
            "model-path": self.backbone,
            "data": self.data,
            "records": self.out / "records",
            "runs": self.out / "runs",
        }
        options = [f"--{key}={value}" for key, value in words.items()]
        return self.cli(*verb.split(), *options, *arguments, *settings)

    def submit(self, *arguments: str, epochs: int = 2) -> str:
        small = ("--launcher=slurm", "--gpus=0", "--cpus=1", "--memory=300M")
        return self.glue(*small, *arguments, epochs=epochs)

    def items(self, *more: str, epochs: int = 2, out: Path | None = None) -> list[str]:
        settings = (f"recipe.epochs={epochs}", "save_every_minutes=0", *more)
        return overrides(self.backbone, self.data, out or self.out, *settings)

    def config(self, *more: str, epochs: int = 2) -> records.RunConfig:
        return compose_run(self.items(*more, epochs=epochs))

    def logs(self) -> str:
        """All that the jobs have printed."""
        return "".join(path.read_text() for path in (self.out / "runs" / "slurm").rglob("*.log"))

    def slow(self, folder: Path) -> tuple[str, Path]:
        """A ``--setup`` that makes each step take three seconds longer, and the brake: while that file is there."""
        folder.mkdir()
        brake = folder / "brake"
        brake.touch()
        (folder / "sitecustomize.py").write_text(SLOW.format(brake=str(brake)))
        return f"--setup=export PYTHONPATH={folder}", brake


def until(true: Callable[[], object], what: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)


def nodes(cluster: Cluster) -> str:
    return cluster.slurm.run(["sinfo", "-h", "-o", "%t"])


@pytest.fixture(scope="module")
def cluster(tiny_bert: Path, toy_rte: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    root = tmp_path_factory.mktemp("cluster")
    checkout = root / "checkout"
    source = config_dir().parent
    for name in ("lora_repro", "conf"):
        shutil.copytree(source / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source / "pyproject.toml", checkout)

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
        done = subprocess.run(["git", *identity, *arguments], cwd=checkout, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message=as submitted")
    slurm = Sandbox(root / "slurm")
    try:
        slurm.start()
        data = with_mnli(toy_rte, root / "glue")
        yield Cluster(slurm, checkout, git("rev-parse", "HEAD"), tiny_bert, data, root / "out")
    finally:
        slurm.stop()


def with_mnli(rte: Path, folder: Path) -> Path:
    """The toy task again, and as an MNLI of three classes."""
    shutil.copytree(rte, folder)
    (folder / "MNLI").mkdir()
    for name, source in (("train", "train"), ("dev_matched", "dev"), ("dev_mismatched", "dev")):
        lines = ["index\tsentence1\tsentence2\tgold_label"]
        for line in (folder / "RTE" / f"{source}.tsv").read_text().splitlines()[1:]:
            number, first, second, label = line.split("\t")
            other = ("neutral", "contradiction")[int(number) // 2 % 2]
            lines.append("\t".join([number, first, second, "entailment" if label == "entailment" else other]))
        (folder / "MNLI" / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    return folder


def undisturbed(cluster: Cluster, out: Path, *more: str, epochs: int) -> records.Record:
    """The record of the same run, made here and left alone."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the jobs: sums in the same order
    try:
        return run(compose_run(cluster.items(*more, epochs=epochs, out=out)))
    finally:
        torch.set_num_threads(threads)


def test_a_study_on_slurm(cluster: Cluster, tmp_path: Path) -> None:
    """All at once, because most of it is waiting."""
    rte = ("--tasks=rte", "--methods=lora")
    limited, cancelled, killed = (cluster.config("method=lora", f"seed={seed}", epochs=8) for seed in (3, 4, 5))
    slow, brake = cluster.slow(tmp_path / "slow")
    told = cluster.submit(*rte, "--seeds=3", "--time=3", "--grace=40", slow, epochs=8)
    assert "submitted 1 runs as Slurm jobs " in told
    limited_job = told.partition("Slurm jobs ")[2].split(";")[0] + "_0"
    cluster.submit(*rte, "--seeds=4 5", "--time=30", slow, epochs=8)
    array_of_six = ("--tasks=rte", f"--methods={METHODS}", "--seeds=0")
    cluster.submit(*array_of_six, "--time=30")
    pair = ("--tasks=mnli rte", "--methods=lora", "--seeds=1", "init_from=mnli")
    told = cluster.submit(*pair, "--time=30")
    array, after = told.partition("Slurm jobs ")[2].split(";")[0].split()
    assert "nothing to submit" in cluster.submit(*array_of_six)  # they are on their way

    # what is edited afterwards is not what the jobs run
    (cluster.checkout / "lora_repro" / "run.py").write_text(
        "raise RuntimeError('edited after the jobs were submitted')\n"
    )

    plan = cluster.glue(*pair, verb="plan glue")
    assert f"Slurm {array}_0" in plan
    assert "waiting  rte/minilm-l6/lora/s1-" in plan and f"Slurm {after}_0 Dependency" in plan

    # cancelled by hand: its state is kept, nobody starts it again
    until(lambda: (run_folder(cancelled) / "resume.previous.pt").exists(), "the run to be cancelled has begun")
    plan = cluster.glue(*rte, "--seeds=4", verb="plan glue", epochs=8)
    job = re.search(r"running  rte/minilm-l6/lora/s4-.*Slurm (\d+_0) running", plan)
    assert job is not None, plan
    cluster.slurm.run(["scancel", job[1]])
    until(lambda: owner(run_folder(cancelled)) is None, "the cancelled run has left")

    # its process is killed: the task is requeued and goes on
    until(lambda: (run_folder(killed) / "resume.previous.pt").exists(), "the run to be killed has begun")
    holder = owner(run_folder(killed))
    assert holder is not None
    os.kill(holder.process, signal.SIGKILL)

    # five runs of six, and the failure with its reason
    until(lambda: "Slurm" not in cluster.glue(*array_of_six, verb="plan glue"), "the array has finished")
    plan = cluster.glue(*array_of_six, verb="plan glue")
    assert "6 runs of minilm-l6, recipe mini: 5 done, 1 to do" in plan
    assert "failed   rte/minilm-l6/adapter_d/s0-" in plan and "method.dropped=3 of 2 blocks" in plan
    record = records.find(cluster.config("method=ft", "seed=0"))
    assert record is not None and record.environment.commit == cluster.commit and not record.environment.dirty

    # started from the MNLI run of its seed
    until(lambda: "Slurm" not in cluster.glue(*pair, verb="plan glue"), "the dependent run has finished")
    first = records.find(cluster.config("method=lora", "task=mnli", "seed=1"))
    start = run_folder(cluster.config("method=lora", "task=mnli", "seed=1")) / "best.safetensors"
    second = records.find(cluster.config("method=lora", "seed=1", f"init_from={start}"))
    assert first is not None and second is not None and first.identity in second.config["init_from"]

    # at its time limit a run saves, is requeued and goes on
    cut = r"stopped [^\n]*\nthe time limit is near: requeued as " + limited_job
    until(lambda: re.search(cut, cluster.logs()), "the time limit has come")
    cluster.slurm.run(["scontrol", "update", f"jobid={limited_job}", "timelimit=30"])  # a slow machine gets there too

    # the node fails while both are on it again (a job between requeue and start would be lost with the node's memory)
    until(lambda: owner(run_folder(limited)) is not None, "the run cut at its time limit goes on")
    until(lambda: (found := owner(run_folder(killed))) and found.process != holder.process, "the killed run goes on")
    node = cluster.slurm.run(["sinfo", "-h", "-o", "%n"]).strip()
    cluster.slurm.run(["scontrol", "update", f"nodename={node}", "state=down", "reason=test"])
    resume = ["scontrol", "update", f"nodename={node}", "state=resume"]  # refused when the node has come back by itself
    until(lambda: cluster.slurm.run(resume, check=False) or "down" not in nodes(cluster), "the node is back", 60)

    # the cancelled one is submitted again; with the edit it would not be taken
    with pytest.raises(AssertionError, match=r"uncommitted changes in lora_repro/run\.py"):
        cluster.submit(*rte, "--seeds=4", epochs=8)
    subprocess.run(["git", "checkout", "--quiet", "."], cwd=cluster.checkout, check=True)
    plan = cluster.glue(*rte, "--seeds=4", verb="plan glue", epochs=8)
    assert "missing  rte/minilm-l6/lora/s4-" in plan and "goes on from its checkpoint" in plan
    cluster.submit(*rte, "--seeds=4", "--time=30", epochs=8)

    brake.unlink()
    for config in (limited, cancelled, killed):
        until(records.record_path(config).exists, f"{records.place(config)} is done")
        reference = undisturbed(cluster, tmp_path / "reference", f"seed={config.seed}", epochs=8)
        assert science_of(records.load(records.record_path(config))) == science_of(reference)
    assert "killed by SIGKILL: requeued" in cluster.logs()
    assert "glue-minilm-l6" in cluster.cli("status", f"--runs={cluster.out / 'runs'}")
