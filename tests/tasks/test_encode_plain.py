"""Examples as plain text: the form, what gives way when it is too long, and what could not be read."""

from pathlib import Path

import pytest

from lora_repro.errors import BackboneError, ConfigError
from lora_repro.tasks.encode import PlainForm, encode
from lora_repro.tasks.encode_plain import CUE, plain_ids
from lora_repro.tasks.examples import collect
from lora_repro.tasks.glue import GLUE

COLUMNS = ("premise", "hypothesis")


def tokenizer(*, bos: bool = False, end_of_text: str = "<|end|>"):
    """One token per character, `end_of_text` apart: what it writes can be read off the ids."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    characters = [end_of_text, "<s>", *map(chr, range(10, 127))]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(characters)}, unk_token=end_of_text))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    if bos:
        backend.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
        )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token=end_of_text)


def written(ids: list[int], made_by) -> str:
    return "".join(made_by.convert_ids_to_tokens(ids))


def test_a_pair_and_a_single_sentence() -> None:
    made_by = tokenizer()
    (pair,) = plain_ids(["A man plays."], ["He sings."], COLUMNS, made_by, 100, 0)
    assert written(pair, made_by) == "premise: A man plays.\nhypothesis: He sings.\nanswer:"
    (single,) = plain_ids(["good film"], None, ("sentence",), made_by, 100, 0)
    assert written(single, made_by) == "sentence: good film\nanswer:"


@pytest.mark.parametrize("name", GLUE)
def test_every_task_of_glue_has_a_form(name: str) -> None:
    task, made_by = GLUE[name], tokenizer()
    pairs = ["b"] if len(task.columns) == 2 else None
    (row,) = plain_ids(["a"], pairs, task.columns, made_by, 100, 0)
    lines = [f"{column}: {text}" for column, text in zip(task.columns, "ab", strict=False)]
    assert written(row, made_by) == "\n".join([*lines, "answer:"])


def test_what_the_tokenizer_puts_first_stands_first() -> None:
    made_by = tokenizer(bos=True)
    (row,) = plain_ids(["a"], ["b"], COLUMNS, made_by, 100, 0)
    assert written(row, made_by) == "<s>premise: a\nhypothesis: b\nanswer:"


def test_a_text_that_ends_in_end_of_text_is_closed_like_any_other() -> None:
    made_by = tokenizer()
    (row,) = plain_ids(["good<|end|>"], None, ("sentence",), made_by, 100, 0)
    assert written(row, made_by) == "sentence: good<|end|>\nanswer:"
    assert row[-1] != 0


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        (("aaaaaaaa", "bb"), (" aaaaa", " bb")),  # nine characters for both, a space each counted
        (("aa", "bbbbbbbb"), (" aa", " bbbbb")),
        (("aaaaaaaa", "bbbbbbbb"), (" aaaa", " bbb")),
        (("aaaa", "bbb"), (" aaaa", " bbb")),
    ],
)
def test_the_longer_text_gives_way_first_and_the_cue_stays(texts: tuple[str, str], kept: tuple[str, str]) -> None:
    made_by = tokenizer()
    frame = len("premise:\nhypothesis:") + len(CUE)
    (row,) = plain_ids([texts[0]], [texts[1]], COLUMNS, made_by, frame + 9, 0)
    assert written(row, made_by) == f"premise:{kept[0]}\nhypothesis:{kept[1]}{CUE}"


def test_a_single_sentence_is_cut_too() -> None:
    made_by = tokenizer()
    (row,) = plain_ids(["abcdef"], None, ("sentence",), made_by, len("sentence:") + len(CUE) + 3, 0)
    assert written(row, made_by) == f"sentence: ab{CUE}"


def test_what_cannot_be_read_is_refused() -> None:
    made_by = tokenizer()
    with pytest.raises(ConfigError, match=r"recipe\.max_length=20 leaves no room for text beside the 28 tokens"):
        plain_ids(["a"], ["b"], COLUMNS, made_by, 20, 0)
    colon = made_by.convert_tokens_to_ids(":")
    with pytest.raises(BackboneError, match="which it pads with"):
        plain_ids(["a"], ["b"], COLUMNS, made_by, 100, colon)


def test_both_forms_of_a_split_are_cached_apart(tmp_path: Path) -> None:
    examples, made_by = collect([["a", "b"], ["c", "d"]], [0, 1], "local"), tokenizer()
    plain = encode(examples, made_by, 60, tmp_path, PlainForm(COLUMNS, 0))
    other = encode(examples, made_by, 60, tmp_path, PlainForm(("question", "sentence"), 0))
    usual = encode(examples, made_by, 60, tmp_path)
    assert len({plain.fingerprint, other.fingerprint, usual.fingerprint}) == len(list(tmp_path.iterdir())) == 3
    again = encode(examples, made_by, 60, tmp_path, PlainForm(COLUMNS, 0))
    assert again.input_ids.tolist() == plain.input_ids.tolist()
    assert written(plain.input_ids[: plain.offsets[1]].tolist(), made_by) == "premise: a\nhypothesis: c\nanswer:"
    assert plain.labels.tolist() == [0, 1] and plain.token_type_ids is None
