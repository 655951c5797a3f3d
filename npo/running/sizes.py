"""What the small rooms would take of this machine's memory, asked before anything is drawn: rough, and never too much.

A size that passes may still be too large by a factor of a few; one that is refused is hopeless.
"""

from records.errors import together
from records.memory import check_memory
from synthetic.logistic import presets as logistic_presets
from synthetic.transformer import presets as transformer_presets

__all__ = ["check_logistic", "check_looks", "check_sample", "check_transformer"]

OF_A_LOOK = 400.0
"""Bytes that an evaluation of a run leaves, in numbers and in lists of them."""
EVALUATED = 1000
"""Inputs of each of the two sets on which the logistic models are compared."""
METHODS = 12


def check_looks(steps: int, every: int, runs: int, said: str) -> None:
    """UserError where the evaluations of so many runs fit no memory; `said` is how steps were asked for."""
    check_memory(OF_A_LOOK * (1 + steps / every) * runs, said)


def check_sample(d: int, features: int, n_forget: int, n_retain: int, classes: int) -> None:
    """UserError where inputs, features and their copies, or the logits of K classes, fit no memory."""
    rows = 1.0 * n_forget + n_retain + 2 * EVALUATED
    numbers = 2.0 * features * d + rows * (d + 2.0 * features) + 2.0 * classes * (rows + features)
    said = f"--d {d}, --features {features}, --n-forget {n_forget}, --n-retain {n_retain}, --classes {classes}"
    check_memory(8 * numbers, said)


def check_logistic(preset: logistic_presets.LogisticPreset) -> None:
    """UserError where the evaluations that are kept fit no memory."""
    steps, every = preset.figure3_steps, preset.figure3_every
    together(
        lambda: check_looks(preset.steps, preset.every, METHODS, f"logistic.steps={preset.steps}"),
        lambda: check_looks(steps, every, 1 + len(preset.figure3_betas), f"logistic.figure3_steps={steps}"),
    )


def check_transformer(preset: transformer_presets.TransformerPreset) -> None:
    """UserError where one model with its gradient and moments, and activations of all rows, fit no memory."""
    shape, config = preset.shape, preset.shape.config
    block = (4.0 + 2 * shape.expansion) * shape.width**2
    parameters = (2.0 * shape.vocab + config.length) * shape.width + shape.layers * block
    rows = 1.0 * shape.forget + shape.retain
    of_a_token = shape.layers * (shape.width * (4.0 + shape.expansion) + shape.heads * config.length) + shape.vocab
    asked = ("forget", "retain", "prompt", "answer", "vocab", "width", "layers", "expansion")
    said = ", ".join(f"{name}={getattr(shape, name)}" for name in asked)
    check_memory(4 * (4 * parameters + rows * config.length * of_a_token), f"transformer.shape with {said}")
