"""Which runs make one cell of a table: runs that differ in nothing but their seed.

Runs of one backbone, method, task and recipe source may have been made under several settings (epochs, learning rate,
rank, part of the training data). They are never mixed. The runs are grouped by all that their identity hashes but the
seed, and by weights, data and computed precision; of several groups a table shows one, by this rule:

1. read data before generated data;
2. all of the data before a part of it;
3. the method's settings as the recipe has them before changed ones (another rank is another row, or another table);
4. more seeds before fewer;
5. fewer changes of the recipe before more;
6. the group with the newest run.

What was left out is said in the table's notes.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lora_repro.records import Record
from lora_repro.report.settings import changes, configuration, is_generated, is_partial, name_of, say, settings_of

_A_SWEEP = 5  # so many groups beside the shown one are not told one by one


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seed, one a seed, by seed. Never empty."""

    runs: tuple[Record, ...]

    @property
    def first(self) -> Record:
        """Any of the runs, for what they share."""
        return self.runs[0]

    @property
    def seeds(self) -> tuple[int, ...]:
        """In ascending order."""
        return tuple(run.seed for run in self.runs)

    @property
    def newest(self) -> str:
        """When the last of the runs finished."""
        return max(run.finished for run in self.runs)


@dataclass(frozen=True)
class Choice:
    """The group that a cell shows, None where nothing was run, and the groups that it leaves out."""

    group: Group | None
    left_out: tuple[Group, ...]

    @property
    def runs(self) -> list[Record]:
        """The shown runs, by seed."""
        return [] if self.group is None else list(self.group.runs)

    def notes(self) -> list[str]:
        """One sentence for each group that was left out: what it is and how it differs from the shown one. Of a sweep,
        which has tables of its own, one sentence for all."""
        if self.group is None:
            return []
        if len(self.left_out) > _A_SWEEP:
            own = set(map(str, settings_of(self.group.first).items()))
            others = [settings_of(group.first) for group in self.left_out]
            varied = {key for other in others for key, value in other.items() if str((key, value)) not in own}
            runs = sum(len(group.runs) for group in self.left_out)
            names = ", ".join(sorted(map(name_of, varied)))
            first = self.group.first
            return [f"{first.task}, {first.method}: {runs} runs under {len(self.left_out)} other settings of {names}"]
        return [
            f"{group.first.task}, {group.first.method}: {len(group.runs)} run{'s' * (len(group.runs) > 1)} with "
            f"{difference(group, self.group)}"
            for group in self.left_out
        ]


def choose(records: Iterable[Record]) -> Choice:
    """Group runs of one backbone, method, task and recipe source, and pick the group to show."""
    found = groups(records)
    return Choice(found[0], tuple(found[1:])) if found else Choice(None, ())


def groups(records: Iterable[Record]) -> list[Group]:
    """The groups, the one to show first."""
    by_key: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_key[_key(record)].append(record)
    found = [Group(_one_a_seed(runs)) for _, runs in sorted(by_key.items())]
    if len(found) > 1:  # the rule reads conf/, which costs a third of a second
        found.sort(key=lambda group: group.newest, reverse=True)
        found.sort(key=_rank)
    return found


def same_work(first: Record, second: Record) -> bool:
    """Same examples and as many epochs: recipes of two methods differ in their learning rate, as they should."""
    return first.splits == second.splits and len(first.epochs) == len(second.epochs)


def difference(group: Group, shown: Group) -> str:
    """How `group` differs from `shown`, with both values: ``epochs 3 (shown: 1)``."""
    own, other = settings_of(group.first), settings_of(shown.first)
    parts = [
        f"{say({key: own.get(key)})} (shown: {say({key: other.get(key)}).rsplit(' ', 1)[-1]})"
        for key in sorted({*own, *other})
        if own.get(key) != other.get(key)
    ]
    if _start(group.first) != _start(shown.first):
        parts.append("another start: " + (_start(group.first) or "the backbone's own weights"))
    for what, value in (("weights", _weights), ("data", _data), ("precision", _precision)):
        if value(group.first) != value(shown.first) and not parts:
            parts.append(f"other {what}")
    return ", ".join(parts)


def _one_a_seed(runs: Sequence[Record]) -> tuple[Record, ...]:
    """Where a seed ran twice under the same settings (two stores put together), the newest."""
    newest = {run.seed: run for run in sorted(runs, key=lambda run: run.finished)}
    return tuple(newest[seed] for seed in sorted(newest))


def _key(record: Record) -> str:
    science: dict[str, Any] = {key: value for key, value in configuration(record).items() if key != "seed"}
    science["init_from"] = _start(record)
    return json.dumps(
        [science, _weights(record), _data(record), _precision(record)], sort_keys=True, separators=(",", ":")
    )


def _start(record: Record) -> str | None:
    """What a run started from, without the seed and identity of the run that made it."""
    start = record.config.get("init_from")
    return None if start is None else "an adapter, " + str(start).rsplit("/", 1)[-1]


def _weights(record: Record) -> str:
    return record.backbone_fingerprint


def _data(record: Record) -> dict[str, str]:
    return {name: split.fingerprint for name, split in record.splits.items()}


def _precision(record: Record) -> str:
    return record.environment.precision


def _rank(group: Group) -> tuple[bool, bool, bool, int, int]:
    changed = changes(group.first) or {}
    return (
        is_generated(group.first),
        is_partial(group.first),
        any(key.startswith("method.") for key in changed),
        -len(group.runs),
        len(changed),
    )
