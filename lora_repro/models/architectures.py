"""Where the paper's matrices sit in each architecture: one table, read by every method.

Names are relative: `base` to the model, `blocks` to the base, everything else to one block unless it says otherwise.
Names and classes are those of Transformers 5. This file imports nothing heavy.
"""

from dataclasses import dataclass, replace

from lora_repro.errors import ConfigError


@dataclass(frozen=True)
class Slice:
    """One projection: a module of a block, and which of its output features are this projection's.

    GPT-2 computes q, k and v in one matrix (``attn.c_attn``): W_q is its output features [0, d), W_k [d, 2d),
    W_v [2d, 3d). `part` of `parts` says which; (0, 1) is the whole module.
    """

    module: str
    part: int = 0
    parts: int = 1


@dataclass(frozen=True)
class Architecture:
    """The sites of one model family, as Transformers names them."""

    name: str  # also `model_type` in the backbone's config.json
    config_class: str  # of Transformers
    model_class: str  # of Transformers: with the classification head, or the language model's
    base_class: str  # of Transformers: the encoder alone; for a decoder the language model
    base: str  # attribute of the headed model that holds the encoder or decoder: "roberta", "bert", "transformer"
    blocks: str  # ModuleList of blocks, relative to base: "encoder.layer", "h"
    weights: dict[str, Slice]  # W_q, W_k, W_v, W_o, W_fc1, W_fc2 -> where, relative to a block
    attention_output: str  # module whose output is the attention sub-layer's, after dropout, before the residual
    mlp_output: str  # module whose output is the MLP sub-layer's, after dropout, before the residual
    layer_norms: tuple[str, ...]  # of one block, relative to it
    embeddings: str  # token embedding, relative to base
    embedding_norm: str | None  # LayerNorm after the embeddings, relative to base
    final_norm: str | None  # LayerNorm after the last block, relative to base
    heads: tuple[str, ...]  # modules of the classification head, relative to the headed model; (): a language model's
    decoder: bool = False  # reads from left to right
    classifier_class: str = ""  # of Transformers, decoders only: with a classification head in the output layer's place
    fan_in_fan_out: bool = False  # weights are stored (in, out), as GPT-2's Conv1D does
    dropouts: tuple[str, ...] = ("hidden_dropout_prob", "attention_probs_dropout_prob")  # settings of the config class


_BERT_WEIGHTS = {
    "W_q": Slice("attention.self.query"),
    "W_k": Slice("attention.self.key"),
    "W_v": Slice("attention.self.value"),
    "W_o": Slice("attention.output.dense"),
    "W_fc1": Slice("intermediate.dense"),
    "W_fc2": Slice("output.dense"),
}
_BERT = Architecture(
    name="bert",
    config_class="BertConfig",
    model_class="BertForSequenceClassification",
    base_class="BertModel",
    base="bert",
    blocks="encoder.layer",
    weights=_BERT_WEIGHTS,
    attention_output="attention.output.dropout",
    mlp_output="output.dropout",
    layer_norms=("attention.output.LayerNorm", "output.LayerNorm"),
    embeddings="embeddings.word_embeddings",
    embedding_norm="embeddings.LayerNorm",
    final_norm=None,
    heads=("bert.pooler", "classifier"),  # the pooler only serves the classifier, so it belongs to the head
)

ARCHITECTURES: dict[str, Architecture] = {
    "bert": _BERT,
    "roberta": replace(
        _BERT,
        name="roberta",
        config_class="RobertaConfig",
        model_class="RobertaForSequenceClassification",
        base_class="RobertaModel",
        base="roberta",
        heads=("classifier",),  # classifier.dense and classifier.out_proj
    ),
    "deberta-v2": replace(
        _BERT,
        name="deberta-v2",
        config_class="DebertaV2Config",
        model_class="DebertaV2ForSequenceClassification",
        base_class="DebertaV2Model",
        base="deberta",
        weights=_BERT_WEIGHTS
        | {
            "W_q": Slice("attention.self.query_proj"),
            "W_k": Slice("attention.self.key_proj"),
            "W_v": Slice("attention.self.value_proj"),
        },
        heads=("pooler", "classifier"),
    ),
    "gpt2": Architecture(
        name="gpt2",
        config_class="GPT2Config",
        model_class="GPT2LMHeadModel",
        base_class="GPT2LMHeadModel",
        base="transformer",
        blocks="h",
        weights={
            "W_q": Slice("attn.c_attn", 0, 3),
            "W_k": Slice("attn.c_attn", 1, 3),
            "W_v": Slice("attn.c_attn", 2, 3),
            "W_o": Slice("attn.c_proj"),
            "W_fc1": Slice("mlp.c_fc"),
            "W_fc2": Slice("mlp.c_proj"),
        },
        attention_output="attn.resid_dropout",
        mlp_output="mlp.dropout",
        layer_norms=("ln_1", "ln_2"),
        embeddings="wte",
        embedding_norm=None,
        final_norm="ln_f",
        heads=(),  # the language model's output layer is the token embedding itself
        decoder=True,
        classifier_class="GPT2ForSequenceClassification",
        fan_in_fan_out=True,
        dropouts=("embd_pdrop", "attn_pdrop", "resid_pdrop"),
    ),
    "llama": Architecture(
        name="llama",
        config_class="LlamaConfig",
        model_class="LlamaForCausalLM",
        base_class="LlamaForCausalLM",
        base="model",
        blocks="layers",
        weights={
            "W_q": Slice("self_attn.q_proj"),
            "W_k": Slice("self_attn.k_proj"),
            "W_v": Slice("self_attn.v_proj"),
            "W_o": Slice("self_attn.o_proj"),
            "W_fc1": Slice("mlp.up_proj"),  # the gate of the MLP, mlp.gate_proj, has no name in the paper
            "W_fc2": Slice("mlp.down_proj"),
        },
        attention_output="self_attn.o_proj",
        mlp_output="mlp.down_proj",
        layer_norms=("input_layernorm", "post_attention_layernorm"),
        embeddings="embed_tokens",
        embedding_norm=None,
        final_norm="norm",
        heads=(),
        decoder=True,
        classifier_class="LlamaForSequenceClassification",
        dropouts=("attention_dropout",),
    ),
}


def architecture(name: str) -> Architecture:
    """The entry called `name`; ConfigError naming the known ones when there is none."""
    if name not in ARCHITECTURES:
        raise ConfigError(f"architecture '{name}' is not known; known are {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def classifying(entry: Architecture) -> Architecture:
    """`entry` for classification: an encoder's is that as it is; a decoder gets Transformers' own head ``score``, one
    matrix without a bias that reads the last token, in the place of the language model's output layer."""
    return replace(entry, model_class=entry.classifier_class, heads=("score",)) if entry.decoder else entry
