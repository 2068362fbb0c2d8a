"""Items as on the command line that make a run."""

MINI = ["model=minilm-l6", "method=lora", "task=rte", "recipe=mini"]
BY_HAND = [
    "recipe=custom",
    "recipe.lr=1e-3",
    "recipe.epochs=1",
    "recipe.batch_size=8",
    "recipe.weight_decay=0",
    "recipe.max_length=128",
    "recipe.warmup_ratio=0",
]
