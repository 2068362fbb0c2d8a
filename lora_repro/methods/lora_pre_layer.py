"""LoRA+PreLayer (appendix E, Table 15): LoRA beside the projections and `pre_layer`'s virtual tokens train together.

|Theta| is the sum of both; GPT-3, W_q and W_v with r = 8, l_p = 8, l_i = 4: 51,904,512 (printed: 52.8M). What can be
merged, and what inference costs: `lora_repro.methods.with_lora`.
"""

from lora_repro.config import LoRAPreLayerConfig
from lora_repro.methods import pre_layer
from lora_repro.methods.with_lora import with_lora

METHOD = with_lora(pre_layer.METHOD, "lora_pre_layer", LoRAPreLayerConfig)
