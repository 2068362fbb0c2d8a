"""One split of an embedded GLUE task."""

from lora_repro.tasks.embedded import acceptability, equivalence, inference, pronouns, questions, sentiment
from lora_repro.tasks.embedded.draw import Draw
from lora_repro.tasks.embedded.item import Item, Maker
from lora_repro.tasks.embedded.split import SEED, Drawn, distinct
from lora_repro.tasks.examples import Examples, collect
from lora_repro.tasks.glue import GlueTask

TRAIN_EXAMPLES, DEV_EXAMPLES = 2000, 400
"""Default sizes of a split; each of MNLI's two development splits has the second."""

MAKERS: dict[str, Maker] = {
    "cola": acceptability.make,
    "sst2": sentiment.make,
    "mrpc": equivalence.make_paraphrase,
    "stsb": equivalence.make_similarity,
    "qqp": questions.make,
    "mnli": inference.make_mnli,
    "qnli": inference.make_answer,
    "rte": inference.make_rte,
    "wnli": pronouns.make,
}


def read(task: GlueTask, split: str, count: int | None, seed: int = SEED) -> Examples:
    """One split in the task's own columns and labels; `source` is "embedded".

    Args:
        split: "train" or one of ``task.eval_splits``.
        count: examples; None: the default. The first examples of a larger count are those of a smaller one.

    Raises:
        ConfigError: the count is below 1, or more than the task's grammar can say.
    """
    domain = "mismatched" if split.endswith("mismatched") else "matched"

    def make(draw: Draw) -> Drawn[Item]:
        item = MAKERS[task.name](draw, domain)
        return Drawn(item.key, "\n".join(item.texts), item)

    if count is None:
        count = TRAIN_EXAMPLES if split == "train" else DEV_EXAMPLES
    items = distinct(task.name, split, count, make, seed)
    columns = [[item.texts[i] for item in items] for i in range(len(task.columns))]
    return collect(columns, [item.label for item in items], "embedded")
