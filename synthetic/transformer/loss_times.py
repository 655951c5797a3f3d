"""Intrinsic time for every loss in the small transformer: one answer, one token, and the tokens of one answer.

Unit, and what it leaves:

    transformer/loss-times    first seed, its first forget sequence. Paths as `theory.theorems.time.forgetting` saves
    them,
                              with `asked`, the time that the law asks for, for every loss that is a function of log π:
                              single-<loss>, the whole answer where the loss looks at its log-probability, its last
                              token alone where it looks at tokens; and of the latter tokens-<loss>, all tokens of the
                              answer together, each an example. Values: losses, tokens (losses of tokens), count, step

The law is exact for what a loss looks at: the answer, or one token. A loss of tokens moves the tokens of an answer at
speeds of their own, coupled by the tangent kernel; that is a set, with the remainder of one.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from records.store import Data, save
from records.work import Progress, Unit
from synthetic.transformer.memorise import load_models
from synthetic.transformer.presets import TransformerPreset, models_name
from synthetic.transformer.sequences import Sequences, draw
from synthetic.transformer.stacked import all_log_probs, all_token_log_probs, repeat, stack_sequences
from theory.kernel import Kernel, per_token
from theory.logprobs import IGNORE
from theory.theorems.time.drop_weights import ForgetAnswer
from theory.theorems.time.forgetting import Forgetting, columns_of, forgotten, laws_of
from theory.theorems.time.loss_times import kernels_with_a_law, looks_at_tokens, of_any_model

__all__ = ["loss_times_unit"]


def loss_times_unit(preset: TransformerPreset) -> Unit:
    """The unit of this part."""
    seed = preset.seeds[0]
    settings = {"shape": asdict(preset.shape), "seed": seed, **asdict(preset.loss_times), "losses": list(_kernels())}
    run = partial(_unit, preset=preset, seed=seed)
    return Unit("transformer/loss-times", settings, run, (models_name(seed),), seconds=8)


def _kernels() -> dict[str, Kernel]:
    return of_any_model(kernels_with_a_law(ForgetAnswer(-1.0)))


def _unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: TransformerPreset, seed: int
) -> None:
    reference, _ = load_models(inputs[models_name(seed)])
    answer = draw(preset.shape.sizes, seed).forget.pick(0, 1)
    instances = {"single": _alone(preset, reference, answer), "tokens": _tokens(preset, reference, answer)}
    arrays = dict[str, np.ndarray]()
    for k, (kind, instance) in enumerate(instances.items()):
        laws = laws_of(instance)
        path = forgotten(instance, laws, _share(progress, k, len(instances)))
        for run, (name, own) in enumerate(zip(instance.kernels, laws, strict=True)):
            arrays |= columns_of(path.of(run), own, f"{kind}-{name}")
    lists = {"losses": list(instances["single"].kernels), "tokens": list(instances["tokens"].kernels)}
    save(folder, Data(arrays, lists | {"seed": seed, "count": preset.shape.answer, "step": preset.loss_times.step}))


def _share(progress: Progress, k: int, parts: int) -> Progress:
    """The progress of part k of several, as that of all."""
    return lambda done, total: progress(k * total + done, parts * total)


def _alone(preset: TransformerPreset, reference: Mapping[str, Tensor], answer: Sequences) -> Forgetting:
    """The answer, or its last token, under each loss."""
    kernels = _kernels()
    last = answer.labels.clone()
    last[:, :-1] = IGNORE
    token = Sequences(answer.tokens, last)
    asked = stack_sequences(token if looks_at_tokens(kernel) else answer for kernel in kernels.values())
    counts = {name: 1 if looks_at_tokens(kernel) else preset.shape.answer for name, kernel in kernels.items()}
    return _instance(preset, reference, kernels, all_log_probs(preset.shape.config, asked), counts)


def _tokens(preset: TransformerPreset, reference: Mapping[str, Tensor], answer: Sequences) -> Forgetting:
    """The tokens of the answer, each an example, under each loss that looks at them."""
    kernels = {name: kernel for name, kernel in _kernels().items() if per_token(kernel)}
    asked = stack_sequences([answer] * len(kernels))

    def log_probs(parameters: Mapping[str, Tensor]) -> Tensor:
        return all_token_log_probs(parameters, asked, preset.shape.config)[:, 0]

    return _instance(preset, reference, kernels, log_probs, {})


def _instance(
    preset: TransformerPreset,
    reference: Mapping[str, Tensor],
    kernels: Mapping[str, Kernel],
    log_probs: Callable[[Mapping[str, Tensor]], Tensor],
    counts: Mapping[str, int],
) -> Forgetting:
    """The model in as many runs as there are losses."""
    how, models = preset.loss_times, repeat(reference, len(kernels))
    parameters = {name: torch.clone(p) for name, p in models.items()}
    return Forgetting(
        log_probs, parameters, kernels, counts, step=how.step, until=how.until, longest=how.longest, most=how.most
    )
