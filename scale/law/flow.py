"""The intrinsic-time law in a language model, as a ladder of what is trained: see `scale.law.rungs`.

The forget answers of a recipe are unlearned by GA and by NPO at several β, from the finetuned model, on each rung:

    single    the first answer alone, along the gradient flow: on the parameter-free curve, if the law holds
    set       all answers together (head and blocks): off the curve, by the remainder of `theory.theorems`
    descent   all answers (above the blocks the first alone) by plain gradient descent at a constant step size
    adamw     the same by AdamW (head and full)

Units `law/<rung>-<run>`, <run> being GA or NPO-<β>. Arrays: single and set as `theory.theorems.time.paths` saves a
path; of descent `.steps`, `.clock`, `.drop`, `.remainder`; of adamw `.steps`, `.drop`; recorded steps along the first
axis, answers along the second, nats. Values: rung, beta (0 for GA), scale (β; for GA the least β), n, tokens (of each
answer), step, lr, adamw_lr.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from records.store import Data, save
from records.work import Progress
from scale.data.prompts import Encoded
from scale.law import rungs
from scale.law.rungs import Rung
from scale.models.folders.language_model import LanguageModel
from scale.models.loading.whole import load as load_model
from scale.recipes.recipe import LawSettings, RungName
from scale.stages.shared.context import MODEL, Context
from theory.theorems.time.intrinsic_time import follow, weight_by_drop
from theory.theorems.time.paths import IntrinsicPath, to_arrays

__all__ = ["law", "name_of", "ready", "rows_of"]

Array = np.ndarray


def name_of(beta: float) -> str:
    """GA for β = 0, else NPO-<β>."""
    return f"NPO-{beta:g}" if beta else "GA"


def law(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    context: Context,
    finetuned: str,
    settings: LawSettings,
    rung: RungName,
    beta: float,
) -> None:
    """Everything that a rung is asked under one kernel."""
    model = inputs[finetuned] / MODEL
    language_model, rows, pad = ready(model, context, settings)
    together = rung in ("head", "blocks")
    asked = {"single": _rung(rung, language_model, rows[:1], pad, settings, str(model))}
    if together:
        asked["set"] = _rung(rung, language_model, rows, pad, settings, str(model))
    stepped = rung in settings.adamw_lr
    parts = [*asked, "descent", *(["adamw"] if stepped else [])]

    def told(part: str) -> Progress:
        return lambda done, total: progress(1000 * parts.index(part) + round(1000 * done / total), 1000 * len(parts))

    weight = weight_by_drop(beta)
    arrays: dict[str, Array] = {}
    for part, one in asked.items():
        arrays |= to_arrays(flow(one, beta, settings, told(part)), part)
    last = asked["set" if together else "single"]
    found, lr = descend(last, weight, settings, told("descent"))
    arrays |= _columns("descent", found)
    if stepped:
        explicit = rungs.explicit_head(language_model, rows, pad) if rung == "head" else last
        found = descend_adamw(explicit, weight, settings.adamw_lr[rung], settings.steps, told("adamw"))
        arrays |= _columns("adamw", found)
    save(folder, Data(arrays, _facts(rung, beta, settings, rows, lr)))


def _facts(rung: RungName, beta: float, settings: LawSettings, rows: Sequence[Encoded], lr: float) -> dict[str, Any]:
    """What is saved beside the arrays; `lr` is the step size of plain descent, which was found on the way."""
    return {
        "rung": rung,
        "beta": beta,
        "scale": scale_of(beta, settings),
        "n": len(rows),
        "tokens": [row.targets for row in rows],
        "step": settings.step,
        "lr": lr,
        "adamw_lr": settings.adamw_lr.get(rung),
    }


def scale_of(beta: float, settings: LawSettings) -> float:
    """The unit of u and T: β; for GA the least β."""
    return beta or min(settings.betas)


def ready(model: Path, context: Context, settings: LawSettings) -> tuple[LanguageModel, list[Encoded], int]:
    """The model with attention that has a second derivative, which a set needs; the forget answers; what pads."""
    language_model, rows, pad = rows_of(model, context)
    language_model.model.set_attn_implementation("eager")
    return language_model, rows[: settings.rows], pad


def rows_of(model: Path, context: Context) -> tuple[LanguageModel, list[Encoded], int]:
    """The model; all forget answers; what pads."""
    language_model = context.ready(load_model(model))
    writer = context.writer(language_model)
    return language_model, [row.encode(writer)[0] for row in context.corpus.forget], writer.pad


def _rung(
    name: RungName, language_model: LanguageModel, rows: Sequence[Encoded], pad: int, settings: LawSettings, base: str
) -> Rung:
    made: dict[RungName, Callable[[], Rung]] = {
        "head": lambda: rungs.head(language_model, rows, pad),
        "blocks": lambda: rungs.blocks(language_model, rows, pad, settings.blocks),
        "adapter": lambda: rungs.adapter(language_model, rows, pad, settings.lora, base),
        "full": lambda: rungs.full(language_model, rows, pad),
    }
    return made[name]()


def _columns(part: str, columns: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{part}.{name}": column for name, column in columns.items()}


# --- along the flow, and in steps ----------------------------------------------------------------------------------


def flow(rung: Rung, beta: float, settings: LawSettings, progress: Progress) -> IntrinsicPath:
    """A path in intrinsic time, in steps that are small for the law."""
    scale = scale_of(beta, settings)
    return follow(
        rung.log_probs,
        rung.parameters,
        weight_by_drop(beta),
        step=settings.step,
        until=settings.until if beta else scale * settings.nats,
        scale=scale,
        max_steps=settings.most,
        rates_of=rung.rates_of,
        progress=progress,
    )


def descend(
    rung: Rung, weight: Callable[[Tensor], Tensor], settings: LawSettings, progress: Progress
) -> tuple[dict[str, Array], float]:
    """Plain gradient descent, with clock and remainder on the way; and the step size."""
    theta = dict(rung.parameters)
    start = rung.log_probs(theta).detach()
    drop, clock, remainder, lr = torch.zeros_like(start), torch.zeros_like(start), torch.zeros_like(start), 0.0
    rows = []
    for k in range(settings.steps + 1):
        rows.append([k, *(x.double().cpu().numpy().copy() for x in (clock, drop, remainder))])
        progress(k, settings.steps)
        w = weight(drop)
        now = rung.rates_of(rung.log_probs, theta, w)
        lr = lr or settings.nats_a_step / float(now.motion.max())
        theta = {name: p - lr * now.gradient[name] for name, p in theta.items()}
        drop = start - rung.log_probs(theta).detach()
        if not bool(drop.isfinite().all()):
            break
        clock, remainder = clock + lr * now.clock, remainder + lr * (now.motion / w - now.clock)
    names = ("steps", "clock", "drop", "remainder")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}, lr


def descend_adamw(
    rung: Rung, weight: Callable[[Tensor], Tensor], lr: float, steps: int, progress: Progress
) -> dict[str, Array]:
    """AdamW at a constant rate; the drops after each step."""
    theta = {name: p.detach().clone().requires_grad_() for name, p in rung.parameters.items()}
    optimizer = torch.optim.AdamW(list(theta.values()), lr=lr, weight_decay=0.0, fused=True)
    start, drops = rung.log_probs(rung.parameters).detach(), []
    for k in range(steps + 1):
        logp = rung.log_probs(theta)
        drop = start - logp.detach()
        drops.append(drop.double().cpu().numpy())
        progress(k, steps)
        optimizer.zero_grad()
        (weight(drop) * logp).mean().backward()  # the gradient of the mean loss: weight times that of log π
        optimizer.step()
    return {"steps": np.arange(steps + 1), "drop": np.stack(drops)}
