"""Plans without training: settings that compose, records and locks that are written by hand."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from lora_repro.studies.arguments import add_request, request
from lora_repro.studies.plan import Plan, make_plan

Planner = Callable[..., Plan]


@pytest.fixture(scope="session")
def compositions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compositions that all tests share: each costs a third of a second."""
    return tmp_path_factory.mktemp("composed")


@pytest.fixture
def planned(tmp_path: Path, compositions: Path) -> Planner:
    """``planned("table2", "--tasks=rte", ...)``: the plan of a command line, records and runs in the test's folder."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".composed").symlink_to(compositions)

    def make(study: str, *arguments: str) -> Plan:
        parser = argparse.ArgumentParser()
        add_request(parser)
        places = [f"--records={tmp_path / 'records'}", f"--runs={tmp_path / 'runs'}"]
        return make_plan(request(parser.parse_intermixed_args([*places, *arguments]), study))

    return make
