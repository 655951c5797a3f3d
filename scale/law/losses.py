"""Intrinsic time for every loss at a language model's output head: one answer, one token, the tokens of one answer.

Unit `loss-times/head`, of the shortest of a recipe's forget answers. Arrays: paths as `theory.theorems.time.forgetting`
has them, with `asked`, the time that the law asks for, for every loss that is a function of log π:

    single-<loss>    the whole answer, where the loss looks at its log-probability; its first token alone, where it
                     looks at tokens
    tokens-<loss>    of the latter: the answer's first few tokens, each an example, which the head couples

Values: losses, tokens (losses of tokens), count (of the answer), step.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from records.store import Data, save
from records.work import Progress
from scale.law import rungs
from scale.law.flow import ready
from scale.law.rungs import Rung
from scale.recipes.recipe import LawSettings
from scale.stages.shared.context import MODEL, Context
from theory.kernel import Kernel, per_token
from theory.theorems.time.drop_weights import ForgetAnswer, drop_weight
from theory.theorems.time.forgetting import columns_of, end_of, laws_from
from theory.theorems.time.intrinsic_time import follow
from theory.theorems.time.loss_times import kernels_with_a_law, looks_at_tokens, of_any_model

__all__ = ["STEPS", "kernels", "loss_times"]

STEPS: Mapping[str, float] = {"step": 0.1, "until": 8.0, "longest": 300.0, "most": 300, "tokens": 6}
"""How a path is followed: steps in nats and log-weights, its end in nats and in T, most steps; tokens of a set."""


def kernels() -> dict[str, Kernel]:
    """Every loss that is a function of log π whatever the vocabulary, by name."""
    return of_any_model(kernels_with_a_law(ForgetAnswer(-1.0)))


def loss_times(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    context: Context,
    finetuned: str,
    settings: LawSettings,
) -> None:
    """Every loss on the finetuned model's head."""
    language_model, rows, pad = ready(inputs[finetuned] / MODEL, context, settings)
    row = min(rows, key=lambda row: row.targets)
    whole = rungs.head(language_model, [row], pad)
    token, several = (
        rungs.head_of_tokens(language_model, row, pad, slice(n)) for n in (1, min(int(STEPS["tokens"]), row.targets))
    )
    every, arrays = kernels(), dict[str, np.ndarray]()
    for k, (name, kernel) in enumerate(every.items()):
        progress(k, len(every))
        alone = looks_at_tokens(kernel)
        arrays |= _followed(token if alone else whole, kernel, 1 if alone else row.targets, f"single-{name}")
        if per_token(kernel):
            arrays |= _followed(several, kernel, 1, f"tokens-{name}")
    tokens = [name for name, kernel in every.items() if per_token(kernel)]
    values = {"losses": list(every), "tokens": tokens, "count": row.targets, "step": STEPS["step"]}
    save(folder, Data(arrays, values))


def _followed(rung: Rung, kernel: Kernel, count: int, label: str) -> dict[str, np.ndarray]:
    start = rung.log_probs(rung.parameters).detach()
    laws = laws_from(kernel, start, count)
    path = follow(
        rung.log_probs,
        rung.parameters,
        drop_weight(kernel, start, count=count),
        step=STEPS["step"],
        turn=STEPS["step"],
        until=end_of(laws, STEPS["until"], STEPS["longest"]),
        max_steps=int(STEPS["most"]),
        rates_of=rung.rates_of,
    )
    return columns_of(path, laws, label)
