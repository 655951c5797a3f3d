"""Keys of the recipe `quick` that make every stage a matter of a second."""

SMALL = (
    "model.shape.hidden=32",
    "model.shape.layers=1",
    "model.shape.heads=2",
    "model.shape.feed_forward=48",
    "model.shape.vocab=400",
    "finetune.epochs=2",
    "unlearn.epochs=2",
    "evaluate.new_tokens=3",
    "evaluate.questions=4",
    "data.authors=2",
    "data.retain_authors=1",
)
