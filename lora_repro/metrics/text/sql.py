"""Logical-form accuracy of WikiSQL (Zhong et al. 2017): is a query the right one, word for word? Nothing is executed.

As the official evaluation compares queries: the same column and aggregate, and the same set of conditions, in any
order, their values in any case. A query is text here (`lora_repro.tasks.wikisql`), so that its columns are compared by
name, in any case too: only tables with two columns of one name tell the difference.
"""

from collections.abc import Sequence

LogicalForm = tuple[str, frozenset[str]]
"""What is selected, and the conditions."""

_WHERE = " from table where "


def logical_form(text: str) -> LogicalForm:
    """A query apart from case, blanks and the order of its conditions.

    A value with " and " in it falls into two parts, in the same way wherever it stands.
    """
    selected, _, conditions = " ".join(text.lower().split()).partition(_WHERE)
    return selected.removesuffix(" from table"), frozenset(conditions.split(" and "))


def logical_form_accuracy(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Share of outputs that are the query of (one of) their references; in [0, 1]."""
    right = [
        logical_form(output) in {logical_form(text) for text in texts}
        for output, texts in zip(outputs, references, strict=True)
    ]
    return sum(right) / len(right)
