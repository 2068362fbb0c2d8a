"""Adapters in the formats of others: pure conversion of state dicts and configurations, no files and no command line.

`pairs` is the common ground of LoRA: one low-rank pair per block and projection, with the factor that stands before it.
`peft` and `loralib` translate it to and from Hugging Face PEFT and the authors' loralib, `prompts` the methods with
virtual tokens to and from PEFT. Neither library is imported.
"""
