"""Processes of ``lora-repro`` that start at once: one interpreter imports torch and forks for every start.

What is tested with them is how a process is killed, waits or leaves, not how it imports, which takes 6 to 10 seconds.
The children are real processes with a memory and signals of their own.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.end_to_end.conftest import environment

_SERVER = """
import json, os, sys
import lora_repro.run
from lora_repro import cli

def child(arguments, errors):
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    code = 1
    try:
        code = cli.main(arguments)
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)

for line in sys.stdin:
    what, *rest = json.loads(line)
    if what == "start":
        answer = os.fork()
        if answer == 0:
            child(*rest)
    else:
        pid, status = os.waitpid(rest[0], os.WNOHANG)
        answer = os.waitstatus_to_exitcode(status) if pid else None
    print(json.dumps(answer), flush=True)
"""


class Started:
    """A process, with the part of `subprocess.Popen` that the tests use."""

    def __init__(self, launcher: "Launcher", arguments: Sequence[str]):
        self._launcher = launcher
        self._errors = Path(tempfile.mkstemp(suffix=".stderr")[1])
        self.pid = int(launcher.ask("start", list(arguments), str(self._errors)))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._launcher.ask("poll", self.pid)
        return self.returncode

    def wait(self, timeout: float = 120) -> int:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            assert time.monotonic() < deadline, f"still running after {timeout} s: {self.errors()}"
            time.sleep(0.005)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def errors(self) -> str:
        """What it has written to stderr."""
        return self._errors.read_text()


class Launcher:
    """The interpreter that forks."""

    def __init__(self, server: subprocess.Popen[str]):
        self._server = server

    def start(self, *arguments: str) -> Started:
        """``lora-repro`` with these arguments; its stdout is thrown away."""
        return Started(self, arguments)

    def ask(self, *request: object) -> int | None:
        assert self._server.stdin is not None and self._server.stdout is not None
        print(json.dumps(request), file=self._server.stdin, flush=True)
        answer: int | None = json.loads(self._server.stdout.readline())
        return answer


@contextmanager
def launching() -> Iterator[Launcher]:
    """A `Launcher` for the length of the block."""
    command = [sys.executable, "-c", _SERVER]
    with subprocess.Popen(
        command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield Launcher(server)
        assert server.stdin is not None
        server.stdin.close()
