"""The hub, each test in a process of its own: `datasets` reads its variables once, when it is imported.

The hub is a small server on this machine (conftest.py); one test asks an address that never answers.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("datasets")

READ = """
import json, sys, time
from lora_repro.config import DataConfig
from lora_repro.errors import UserError
from lora_repro.tasks.glue import GLUE
from lora_repro.tasks.load import load_split
start, computed = time.monotonic(), time.process_time()
try:
    examples = load_split(GLUE[sys.argv[1]], "validation", DataConfig(sources=["hub"]))
    answer = dict(texts=[examples.text_a, examples.text_b], labels=examples.labels, source=examples.source)
except UserError as error:
    answer = dict(error=type(error).__name__, message=str(error))
# A busy machine stretches what is computed, not what is waited for: 2.5 s for the probe are all there may be.
seconds = min(time.monotonic() - start, time.process_time() - computed + 2.5)
print(json.dumps(answer | dict(seconds=seconds, imported="datasets" in sys.modules)))
"""
FOUND = {"texts": [["A b.", '"C'], ["A.", "D."]], "labels": [0, 1], "source": "hub"}


def read(task: str, home: Path, endpoint: str, **extra: str) -> dict:
    """What `load_split` gives in a new process whose only hub is `endpoint`."""
    hidden = ("HF_", "HUGGINGFACE", "TRANSFORMERS", "XDG_CACHE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    environment = kept | {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, **extra}
    command = [sys.executable, "-c", READ, task]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def content(answer: dict) -> dict:
    return {name: answer.get(name) for name in FOUND}


def test_download_then_the_caches_without_a_hub(hub, tmp_path: Path) -> None:
    assert content(read("rte", tmp_path, f"http://127.0.0.1:{hub.server_port}")) == FOUND
    hub.shutdown()
    hub.server_close()
    gone = f"http://127.0.0.1:{hub.server_port}"
    assert content(read("rte", tmp_path, gone)) == FOUND  # the cache of `datasets`
    other = read("mrpc", tmp_path, gone)  # a task that is not in it
    assert other["error"] == "OfflineError" and other["seconds"] < 5
    (tmp_path / "datasets").rename(tmp_path / "elsewhere")
    snapshot = read("rte", tmp_path, gone, HF_HUB_OFFLINE="1")  # the hub's file cache
    assert content(snapshot) == FOUND and not snapshot["imported"]


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_variables_are_obeyed_though_a_hub_is_there(variable: str, hub, tmp_path: Path) -> None:
    answer = read("rte", tmp_path, f"http://127.0.0.1:{hub.server_port}", **{variable: "1"})
    assert answer["error"] == "OfflineError" and answer["seconds"] < 1 and not answer["imported"]
    assert "GLUE task rte (nyu-mll/glue)" in answer["message"] and "three ways on" in answer["message"]


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://nowhere.invalid", "http://192.0.2.1"])
def test_an_unreachable_hub_is_an_error_within_five_seconds(endpoint: str, tmp_path: Path) -> None:
    answer = read("rte", tmp_path, endpoint)
    assert answer["error"] == "OfflineError" and not answer["imported"]
    assert answer["seconds"] < 3.5


def test_a_hub_that_hangs_up(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def hang_up() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return  # the test is over

        threading.Thread(target=hang_up, daemon=True).start()
        answer = read("rte", tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert answer["error"] == "OfflineError"


def test_a_hub_without_the_task(hub, tmp_path: Path) -> None:
    answer = read("mrpc", tmp_path, f"http://127.0.0.1:{hub.server_port}")
    assert answer["error"] == "DataError" and "mrpc" in answer["message"]
