"""One owner for each run: two processes never write the same run folder, on one machine or on several.

On one machine the kernel's lock decides (`flock`): it is gone with its process, however that dies. Where the folder is
shared between machines the kernel's lock may not reach the other one, so the owner also writes its name into the file
and touches it every `BEAT` seconds; an owner elsewhere that has not done so for `STALE` seconds is dead, and its lock
is taken over. Both times of that comparison are the file server's, so clocks may differ.
"""

import fcntl
import json
import os
import platform
import signal
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from lora_repro.errors import HeldError

BEAT = 15.0  # seconds between two signs of life
STALE = 90.0  # seconds without one after which an owner on another machine counts as dead


@dataclass(frozen=True)
class Owner:
    """Who holds a run."""

    host: str
    process: int
    since: str  # UTC, ISO 8601
    kernel: str  # boot and process namespace: two owners of the same one can see each other's processes and locks
    token: str  # of this holding

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} since {self.since}"


class Holding:
    """A lock that we have."""

    def __init__(self, path: Path, owner: Owner) -> None:
        self._path, self._owner = path, owner
        self._ended = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat of {path}", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """Another machine took the lock over: we were without a sign of life (suspended, say) for `STALE` seconds."""
        return self._lost

    def end(self) -> None:
        """No more signs of life."""
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            found = _read(self._path)
            if found is not None and found.token != self._owner.token:
                self._lost = True
                print(f"{self._path} was taken over by {found}: this process was not heard of for too long, it stops")
                os.kill(os.getpid(), signal.SIGTERM)  # as if asked to: the run saves its state and leaves
                return
            try:
                os.utime(self._path)
            except OSError as error:  # a full or vanished file server: the next beat may reach it again
                print(f"warning: {self._path} cannot be touched ({error})")


@contextmanager
def hold(folder: Path) -> Iterator[Holding]:
    """Hold `folder` until the block ends or the process dies.

    Raises:
        HeldError: another process holds it; the message names host, process and since when.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HeldError(f"{folder} is held by {_read(path) or 'another process'}; nothing was started") from None
        before = _read(path)
        if before is not None and before.kernel != _kernel() and _silence(path) < STALE:
            raise HeldError(
                f"{folder} is held by {before}, {_silence(path):.0f} s ago it was alive; nothing was started"
            )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        owner = Owner(platform.node(), os.getpid(), now, _kernel(), uuid.uuid4().hex)
        file.seek(0)
        file.truncate()
        json.dump(asdict(owner), file)
        file.flush()
        os.utime(path)
        holding = Holding(path, owner)
        try:
            yield holding
        finally:
            holding.end()
            if not holding.lost:
                file.seek(0)
                file.truncate()


def owner(folder: Path) -> Owner | None:
    """Who is on a run, as far as can be seen without touching its lock; None when nobody living is."""
    path = folder / "lock"
    found = _read(path)
    if found is None:
        return None
    if found.kernel == _kernel() and not _runs(found.process):
        return None
    return found if _silence(path) < STALE else None  # the number of a dead process may be another's by now


def _read(path: Path) -> Owner | None:
    try:
        return Owner(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # no lock, a free one, or one caught between being taken and being named


def _silence(path: Path) -> float:
    """Seconds since the owner's last sign of life, by the clock of the machine that has the files."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".now.") as probe:
            return Path(probe.name).stat().st_mtime - path.stat().st_mtime
    except OSError:
        return datetime.now(UTC).timestamp() - path.stat().st_mtime  # a folder that we may only read


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's, but it is
        return True
    return True


@cache
def _kernel() -> str:
    """Names the running kernel and our view of its processes; a reboot or another container is another one."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    if boot.exists() and namespace.exists():
        return f"{boot.read_text().strip()}/{namespace.readlink()}"
    return platform.node()
