"""One line on the screen while processes work on a plan: how far they are, and the time left."""

import sys
import time
from collections.abc import Callable, Mapping

from tqdm import tqdm

from lora_repro.studies.plan import Plan
from lora_repro.studies.states import record
from lora_repro.studies.workers import Watch

_LOOK = 0.25  # seconds between two looks at what is done


def bar(plan: Plan, costs: Mapping[str, float]) -> Watch:
    """Counts the records that appear; without a terminal nothing is shown.

    Args:
        costs: what each run takes, by place, in any unit: for the time left.
    """
    left = [run for run in plan.planned if not plan.record_path(run).exists()]
    count = len(left)

    def watch(running: Callable[[], bool]) -> None:
        with tqdm(
            total=sum(costs[run.place] for run in left),
            file=sys.stderr,
            disable=None,  # where there is no terminal
            bar_format="{desc} {percentage:3.0f}% |{bar:24}| {elapsed}, about {remaining} left {postfix}",
            desc=f"{count} runs",
        ) as line:
            alive = True
            while alive:
                alive = running()  # asked first: the last record is seen after it
                for run in [run for run in left if plan.record_path(run).exists()]:
                    left.remove(run)
                    found = record(plan, run)
                    if found is not None:
                        told = f"{run.method} {run.task} {found.best.headline:.3f}"
                        line.set_postfix_str(f"({count - len(left)}/{count}: {told})", refresh=False)
                    line.update(costs[run.place])
                line.refresh()
                if alive:
                    time.sleep(_LOOK)

    return watch
