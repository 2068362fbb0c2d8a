"""States of frozen blocks kept across epochs: the same losses and gradients, and nothing kept that could change."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lora_repro.config import FTTop2Config, MethodConfig
from lora_repro.methods.apply import Adapted, adapt
from lora_repro.models.architectures import ARCHITECTURES, architecture
from lora_repro.tasks.encode import Encoded
from lora_repro.training import kept_states
from lora_repro.training.completion import CompletionModelling
from lora_repro.training.kept_states import KeptStates, keep_states
from lora_repro.training.problem import SequenceClassification
from tests.methods.adapters import configured
from tests.methods.test_ft_top2 import BLOCKS, of_twelve
from tests.tiny_backbones import DECODERS, lora, prefix_methods
from tests.training.test_completion import pairs

TOP2 = FTTop2Config(name="ft_top2")
CPU = torch.device("cpu")


def without_dropout(name: str, method: MethodConfig, layers: int = 4) -> Adapted:
    backbone = of_twelve(name, layers)
    for setting in architecture(name).dropouts:
        setattr(backbone.model.config, setting, 0.0)
    for module in backbone.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return adapt(backbone, method, seed=0)


def task(name: str, adapted: Adapted) -> tuple[Any, Any]:
    """A problem with eight examples of different lengths."""
    spans = [(3, 7), (5, 6), (2, 12), (4, 9), (1, 3), (3, 8), (2, 5), (6, 11)]
    data = pairs(spans)
    if name in DECODERS:
        return CompletionModelling(adapted.backbone.architecture, 24, label_smoothing=0.1), data
    encoded = Encoded(data.input_ids, None, data.offsets, np.arange(len(spans)) % 2, "x")
    return SequenceClassification(regression=False, max_length=24, pad_token_id=1, length_step=8), encoded


def kept(adapted: Adapted, problem: Any, data: Any, epochs: int = 2, precision: str = "fp32") -> Any:
    return keep_states(adapted, problem, data, epochs=epochs, precision=precision, device=CPU)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("method", [TOP2, configured("adapter_d", dropped=3)], ids=lambda method: str(method.name))
def test_losses_and_gradients_are_those_of_the_whole_model(name: str, method: MethodConfig) -> None:
    adapted = without_dropout(name, method)
    problem, data = task(name, adapted)
    whole = copy.deepcopy(adapted.model)
    own = kept(adapted, problem, data)
    assert isinstance(own, KeptStates) and len(own.blocks) == (2 if method is TOP2 else 3)
    assert own.states.shape == (len(data.input_ids), 32) and not own.states.requires_grad
    ran: list[int] = []
    block = adapted.model.get_submodule(BLOCKS[name])[0]
    block.register_forward_pre_hook(lambda *_: ran.append(1))
    batch = np.array([2, 7, 0, 4])  # another one than the states were computed in
    adapted.model.train()
    first = own.loss(adapted.model, own.collate(data, batch))
    second = problem.loss(whole.train(), problem.collate(data, batch))
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)
    first.backward()
    second.backward()
    for parameter in adapted.names:
        mine, theirs = adapted.model.get_parameter(parameter).grad, whole.get_parameter(parameter).grad
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6, msg=parameter)
    assert ran == [1]  # called once, only to pass on
    assert all("forward" not in vars(block) for block in own.blocks)  # evaluation and decoding run the whole model
    torch.testing.assert_close(problem.loss(adapted.model, problem.collate(data, batch)), second)
    assert own.terms(data, batch) == problem.terms(data, batch)
    assert np.array_equal(own.lengths(data), problem.lengths(data))


def test_the_states_depend_on_the_data_alone() -> None:
    """A resumed run computes the same bits, whatever its random state."""
    adapted = without_dropout("gpt2", TOP2)
    problem, data = task("gpt2", adapted)
    first = kept(adapted, problem, data)
    with torch.no_grad():
        for name in adapted.method_names:
            adapted.model.get_parameter(name).add_(1.0)  # trained meanwhile
    torch.rand(7)
    assert torch.equal(kept(adapted, problem, data).states, first.states)


@pytest.mark.parametrize(
    "method",
    [lora(), configured("adapter_h"), *prefix_methods()],
    ids=lambda method: str(method.name),
)
def test_methods_that_reach_the_lowest_block_keep_nothing(method: MethodConfig) -> None:
    adapted = without_dropout("gpt2", method)
    problem, data = task("gpt2", adapted)
    assert kept(adapted, problem, data) is problem


@pytest.mark.parametrize("setting", architecture("bert").dropouts)
def test_nothing_is_kept_under_dropout(setting: str) -> None:
    adapted = without_dropout("bert", TOP2)
    setattr(adapted.model.config, setting, 0.1)
    problem, data = task("bert", adapted)
    assert kept(adapted, problem, data) is problem


def test_nothing_is_kept_for_one_epoch_or_beyond_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    adapted = without_dropout("gpt2", TOP2)
    problem, data = task("gpt2", adapted)
    assert kept(adapted, problem, data, epochs=1) is problem
    needed = len(data.input_ids) * 32 * 4
    monkeypatch.setattr(kept_states, "available_memory", lambda: 4 * needed - 4)
    assert kept(adapted, problem, data) is problem
    monkeypatch.setattr(kept_states, "available_memory", lambda: 4 * needed)
    assert isinstance(kept(adapted, problem, data), KeptStates)
