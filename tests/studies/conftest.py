"""Plans without training: settings that compose, records and locks that are written by hand."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from lora_repro.studies.arguments import add_request, request
from lora_repro.studies.plan import Plan, make_plan

Planner = Callable[..., Plan]


@pytest.fixture
def planned(tmp_path: Path) -> Planner:
    """``planned("table2", "--tasks=rte", ...)``: the plan of a command line, records and runs in the test's folder."""

    def make(study: str, *arguments: str) -> Plan:
        parser = argparse.ArgumentParser()
        add_request(parser)
        places = [f"--records={tmp_path / 'records'}", f"--runs={tmp_path / 'runs'}"]
        return make_plan(request(parser.parse_intermixed_args([*places, *arguments]), study))

    return make
