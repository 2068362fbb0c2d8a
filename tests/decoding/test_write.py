"""The plan of a decoding, and going on with one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lora_repro.decoding import write
from lora_repro.decoding.beam import Hypothesis, Search
from lora_repro.decoding.write import Written, batches, weights_fingerprint, write_texts
from lora_repro.errors import Interrupted
from lora_repro.training.distributed import World

SEARCH = Search(2, 1.0, 0, 4, (1,))


class Tokenizer:
    """Letters are tokens: 'a' is 10."""

    eos_token_id = 1
    name_or_path = "letters"

    def __call__(self, texts: Any, **_: Any) -> dict[str, Any]:
        if isinstance(texts, str):
            return {"input_ids": [5, 6]}
        return {"input_ids": [[10 + ord(letter) - ord("a") for letter in text] for text in texts]}

    def decode(self, tokens: list[int], **_: Any) -> str:
        return "".join(chr(token - 10 + ord("a")) for token in tokens)


class Echo:
    """Stands for `beam_search`: each prompt's text is the prompt; counts the inputs that it is asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, _model: Any, prompts: list[torch.Tensor], _search: Search) -> list[Hypothesis]:
        rows = [prompt.tolist() for prompt in prompts]
        assert all(row[-1] == 1 for row in rows)
        self.asked += rows
        return [Hypothesis(row, -1.0, True) for row in rows]


INPUTS = ["abc", "b", "", "cd", "dd", "e"]


def decode(folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> tuple[Written, Echo]:
    echo = Echo()
    monkeypatch.setattr(write, "beam_search", echo)
    monkeypatch.setattr(write, "ROWS", 2 * SEARCH.beams)  # two inputs a batch
    settings: dict[str, Any] = {
        "max_length": 20,
        "precision": "fp32",
        "world": World(),
        "folder": folder,
        "name": "last",
        "weights": "w",
    }
    return write_texts(torch.nn.Identity(), Tokenizer(), INPUTS, SEARCH, **(settings | more)), echo


def test_batches_hold_every_input_and_little_padding() -> None:
    lengths = np.array([5, 3, 5, 4] * 30)
    plan = batches(lengths, beams=10)
    assert sorted(i for batch in plan for i in batch) == list(range(120))
    assert {len(batch) for batch in plan[:-1]} == {write.ROWS // 10}
    assert [lengths[i] for batch in plan for i in batch] == sorted(lengths, reverse=True)
    assert batches(lengths, beams=1000) == [[i] for length in (5, 4, 3) for i in range(120) if lengths[i] == length]


def test_texts_stand_in_the_order_of_their_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, echo = decode(tmp_path, monkeypatch)
    assert written.texts == INPUTS
    assert written.tokens == sum(len(text) + 1 for text in INPUTS)
    assert written.unfinished == 0
    assert written.content() == b"abc\nb\n\ncd\ndd\ne\n"
    assert len(echo.asked) == len(INPUTS)


def test_a_stopped_decoding_goes_on_and_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Interrupted, match="stopped while decoding"):
        decode(tmp_path, monkeypatch, stop_requested=lambda: True)
    written, echo = decode(tmp_path, monkeypatch)
    assert written.texts == INPUTS
    assert len(echo.asked) == len(INPUTS) - 2  # "abc" and "cd" had been decoded
    again, echo = decode(tmp_path, monkeypatch)
    assert (again, echo.asked) == (written, [])


def test_other_weights_are_decoded_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode(tmp_path, monkeypatch)
    _, echo = decode(tmp_path, monkeypatch, weights="other")
    assert len(echo.asked) == len(INPUTS)


def test_a_text_is_one_line_cut_as_the_official_code_cuts_it() -> None:
    class Fixed(Tokenizer):
        def __init__(self, text: str):
            self.text = text

        def decode(self, tokens: list[int], **_: Any) -> str:
            return self.text

    assert write._text(Fixed(" A b .<|endoftext|> c"), []) == "A b ."
    assert write._text(Fixed("A b .\n\nc"), []) == "A b ."
    assert write._text(Fixed(" A \n b\r\nc "), []) == "A b c"


def test_the_fingerprint_of_weights_changes_with_any_of_them() -> None:
    state = {"a": torch.ones(2), "b": torch.zeros(3)}
    same = weights_fingerprint("base", {"b": torch.zeros(3), "a": torch.ones(2)})
    assert weights_fingerprint("base", state) == same
    assert weights_fingerprint("other", state) != same
    assert weights_fingerprint("base", state | {"b": torch.full((3,), 1e-6)}) != same
