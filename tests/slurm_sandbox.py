"""A Slurm of one node for tests: munged, slurmctld and slurmd started by hand, without systemd, in a folder of its own.

Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge. `Sandbox.missing` says what lacks.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")

CPUS = 16

CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
AuthType=auth/munge
# a requeued job waits until its old credential has expired: 2 minutes by default
AuthInfo=socket={root}/munge/socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0
SlurmctldPidFile={root}/slurmctld.pid
SlurmctldLogFile={root}/slurmctld.log
StateSaveLocation={root}/state
SlurmdPidFile={root}/slurmd.pid
SlurmdLogFile={root}/slurmd.log
SlurmdSpoolDir={root}/spool
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
# more CPUs than there are: tasks that sleep must not keep others waiting
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
MinJobAge=86400
KillWait=10
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory}
PartitionName=debug Nodes=ALL Default=YES DefMemPerCPU=256 MaxTime=INFINITE State=UP
"""


class Sandbox:
    """Started by `start`; `environment` makes Slurm's commands speak to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {"SLURM_CONF": str(root / "slurm.conf")}

    @staticmethod
    def missing() -> str | None:
        """Why there can be no Slurm here, or None."""
        lacking = [name for name in PROGRAMS if _program(name) is None]
        if lacking:
            return f"no {', '.join(lacking)} here: apt-get install slurmctld slurmd slurm-client munge"
        if os.geteuid() != 0:
            return "only root can start slurmd"
        return None

    def start(self) -> None:
        """Bring the daemons up; RuntimeError with the ends of their logs where they do not come."""
        for name in ("state", "spool", "munge"):
            (self.root / name).mkdir(parents=True)
        self._munge()
        memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024 - 512
        host, (controller, node) = socket.gethostname().split(".")[0], _free_ports(2)
        text = CONF.format(root=self.root, host=host, controller=controller, node=node, cpus=CPUS, memory=memory)
        (self.root / "slurm.conf").write_text(text)
        for daemon in ("slurmctld", "slurmd"):
            self.run([_program(daemon) or daemon])
        deadline = time.monotonic() + 30
        while "idle" not in self.run(["sinfo", "-h", "-o", "%t"], check=False):
            if time.monotonic() > deadline:
                logs = [path.read_text()[-1500:] for path in sorted(self.root.glob("*.log"))]
                raise RuntimeError("Slurm did not come up:\n" + "\n".join(logs))
            time.sleep(0.2)

    def stop(self) -> None:
        """Cancel everything and end the daemons that `start` has started."""
        self.run(["scancel", "--me"], check=False)
        for name in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
            path = self.root / name
            if path.exists():
                _end(int(path.read_text()))

    def run(self, command: Sequence[str], *, check: bool = True) -> str:
        """What a command prints."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def _munge(self) -> None:
        folder = self.root / "munge"
        key = folder / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        for path in (self.root, folder):
            path.chmod(0o755)  # munged refuses a folder that others may write, clients must reach the socket
        files = {"key-file": key, "socket": folder / "socket", "pid-file": folder / "pid",
                 "log-file": folder / "log", "seed-file": folder / "seed"}  # fmt: skip
        self.run([_program("munged") or "munged", "--force", *(f"--{key}={path}" for key, path in files.items())])


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _end(process: int) -> None:
    try:
        os.kill(process, 15)
        for _ in range(50):
            os.kill(process, 0)
            time.sleep(0.1)
        os.kill(process, 9)
    except ProcessLookupError:
        return
