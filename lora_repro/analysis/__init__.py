"""What the paper measures beside scores: latency (section 3), memory (4.2), and what LoRA's updates look like (7, H).

Each analysis is a function from models or checkpoints to one of the results in `results`; `record` stores them. Tables,
figures and claims are made from the records by `lora_repro.report`.
"""
