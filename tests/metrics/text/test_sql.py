"""Logical-form accuracy: what is the same query, and what is not."""

import pytest

from lora_repro.metrics.text.score import METRICS, score_texts
from lora_repro.metrics.text.sql import logical_form, logical_form_accuracy

GOLD = "SELECT COUNT Player FROM table WHERE No. > 3 AND Position = Point Guard"


@pytest.mark.parametrize(
    "same",
    [
        GOLD,
        "SELECT COUNT Player FROM table WHERE Position = Point Guard AND No. > 3",
        "select count  player from table where no. > 3 and position = POINT GUARD ",
        "SELECT COUNT Player FROM table WHERE No. > 3 AND Position = Point Guard AND No. > 3",  # a set of conditions
    ],
)
def test_order_case_and_blanks_do_not_matter(same: str) -> None:
    assert logical_form(same) == logical_form(GOLD)


@pytest.mark.parametrize(
    "other",
    [
        "SELECT Player FROM table WHERE No. > 3 AND Position = Point Guard",
        "SELECT COUNT No. FROM table WHERE No. > 3 AND Position = Point Guard",
        "SELECT COUNT Player FROM table WHERE No. = 3 AND Position = Point Guard",
        "SELECT COUNT Player FROM table WHERE No. > 3",
        "SELECT COUNT Player FROM table WHERE No. > 3 AND Position = Point Guard AND Club = X",
        "SELECT COUNT Player FROM table",
        "",
    ],
)
def test_everything_else_does(other: str) -> None:
    assert logical_form(other) != logical_form(GOLD)


def test_without_conditions() -> None:
    assert logical_form("SELECT Player FROM table") == logical_form("select Player from table ")


def test_a_value_with_and_in_it() -> None:
    one = "SELECT a FROM table WHERE b = salt and pepper AND c = 1"
    assert logical_form(one) == logical_form("SELECT a FROM table WHERE c = 1 AND b = salt and pepper")
    assert logical_form(one) != logical_form("SELECT a FROM table WHERE b = salt AND c = 1")


def test_the_share_that_is_right_by_any_reference() -> None:
    outputs, references = [GOLD, GOLD, "x", ""], [[GOLD], ["y", GOLD.lower()], [GOLD], [GOLD]]
    assert logical_form_accuracy(outputs, references) == 0.5
    assert score_texts(outputs, references, protocol="sql", allow_empty=True) == {"LF": 0.5}
    assert METRICS["sql"] == ("LF",)
