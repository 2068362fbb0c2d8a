"""A decoder's checkpoint with a classification head: Transformers' class, its padding token, a head of the seed's."""

from pathlib import Path

import pytest
import torch

from lora_repro.errors import BackboneError
from lora_repro.models.architectures import ARCHITECTURES, classifying
from lora_repro.models.load import build_meta, load_backbone
from lora_repro.models.sites import head_parameter_names
from tests.end_to_end.text_backbones import write_decoder
from tests.tiny_backbones import DECODERS, batch, tiny, tiny_config, tiny_folder


@pytest.mark.parametrize("name", DECODERS)
def test_the_weights_are_the_language_models_and_the_head_is_the_seeds(name: str, tmp_path: Path) -> None:
    config = tiny_folder(name, tmp_path)
    original = tiny(name).model
    first, again, other = (load_backbone(config, 3, seed=seed) for seed in (0, 0, 1))
    assert type(first.model).__name__ == {"gpt2": "GPT2", "llama": "Llama"}[name] + "ForSequenceClassification"
    assert head_parameter_names(first.model, first.architecture) == {"score.weight"}
    for parameter, tensor in first.model.named_parameters():
        if parameter != "score.weight":
            assert torch.equal(tensor, original.get_parameter(parameter)), parameter
    scores = [loaded.model.score.weight for loaded in (first, again, other)]
    assert scores[0].shape == (3, 32) and 0.01 < scores[0].std() < 0.03
    assert torch.equal(scores[0], scores[1]) and not torch.equal(scores[0], scores[2])
    assert first.model(**batch()).logits.shape == (4, 3)


def test_one_checkpoint_serves_both_kinds_of_task(tmp_path: Path) -> None:
    config = tiny_folder("llama", tmp_path)  # its output layer is a matrix of its own
    load_backbone(config, 2)
    inputs = batch()
    assert torch.equal(
        load_backbone(config, 0, problem="generation").model(**inputs).logits, tiny("llama").model(**inputs).logits
    )


def test_the_padding_token_is_the_tokenizers_or_else_its_end_of_text(tmp_path: Path) -> None:
    import transformers

    padded = load_backbone(tiny_folder("gpt2", tmp_path / "with"), 2)
    assert padded.pad_token_id == padded.model.config.pad_token_id == 1
    config = tiny_config("gpt2")
    config.path = str(write_decoder("gpt2", tmp_path / "without"))
    bare = load_backbone(config, 2)
    assert bare.tokenizer.pad_token_id is None
    assert bare.pad_token_id == bare.model.config.pad_token_id == bare.tokenizer.eos_token_id == 1
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "with")
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path / "with")
    config.path = str(tmp_path / "with")
    tiny("gpt2", seed=3).model.save_pretrained(tmp_path / "with")  # another backbone: the tokenizer is read anew
    with pytest.raises(BackboneError, match="tiny-gpt2 names neither pad_token nor eos_token"):
        load_backbone(config, 2)
    assert load_backbone(config, 0, problem="generation").model is not None  # needs none


def test_names_and_shapes_without_weights() -> None:
    for name in DECODERS:
        meta = build_meta(tiny_config(name), 3, classifying(ARCHITECTURES[name]))
        assert {n: p.shape for n, p in meta.named_parameters()} == {
            n: p.shape for n, p in tiny(name, num_labels=3, classify=True).model.named_parameters()
        }
