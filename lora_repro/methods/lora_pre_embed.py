"""LoRA+PreEmbed (appendix E, Table 15): LoRA beside the projections and `pre_embed`'s virtual tokens train together.

|Theta| is the sum of both; GPT-3, W_q and W_v with r = 8, l_p = 8, l_i = 4: 37,896,192. What can be merged, and what
inference costs: `lora_repro.methods.with_lora`.
"""

from lora_repro.config import LoRAPreEmbedConfig
from lora_repro.methods import pre_embed
from lora_repro.methods.with_lora import with_lora

METHOD = with_lora(pre_embed.METHOD, "lora_pre_embed", LoRAPreEmbedConfig)
