"""Why your numbers differ: choices that others make otherwise, each with the size of its effect on the runs at hand.

Facts about other code are from the threads and sources that are named; every size is computed here, from what the runs
saved or by a few lines of arithmetic.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import ks_2samp

from npo.runs.run import UnlearningRun

__all__ = ["Difference", "differences"]


class Difference(NamedTuple):
    """A choice, who makes it how, and the size of its effect here."""

    choice: str
    elsewhere: str
    size: str


_ENDS = (".before_nll", ".after_nll")  # of `npo forget`, which has no moments in them


def differences(runs: Sequence[UnlearningRun]) -> list[Difference]:
    """One entry for every choice whose effect these runs let us measure."""
    from scale.evaluation.results import from_arrays

    run = runs[0]
    values, columns = run.data.values, run.data.arrays
    finetuned = from_arrays({name: array[0] for name, array in columns.items() if not name.endswith(_ENDS)})
    pairs = values["data"]["retain_rows"] > 0
    return [
        _truth_ratio(finetuned),
        _questions(),
        _token_mean(finetuned),
        *([_kl_padding(finetuned)] if "retain" in finetuned else []),
        *([_pairing(int(values["data"]["forget_rows"]), int(values["data"]["retain_rows"]))] if pairs else []),
        _master_weights(),
        *_seeds(runs),
    ]


def _truth_ratio(finetuned: Mapping[str, Any]) -> Difference:
    from scale.evaluation.protocols import PROTOCOLS
    from scale.evaluation.scores import scores

    one, other = (scores(finetuned, PROTOCOLS[name])["model_utility"] for name in ("tofu", "tofu-paper"))
    known = one is not None and other is not None
    size = f"utility {one:.4f} against {other:.4f}" if known else "not measured (no answers were generated)"
    return Difference(
        "Truth ratio: geometric or arithmetic mean over perturbed answers",
        "the TOFU paper has the arithmetic mean, its leaderboard, the NPO authors and open-unlearning the geometric",
        f"{size} for the finetuned model (0.6227 against 0.5859 from TOFU's own Llama-2 log)",
    )


def _questions() -> Difference:
    shares = []
    for n in (40, 300, 400):
        ranks = np.arange(n, dtype=float)
        shares.append(f"{ks_2samp(ranks, ranks + 0.4 * n, method='exact').pvalue:.2g} (n = {n})")
    return Difference(
        "How many forget questions the KS test sees",
        "300 in TOFU, all 40, 200 or 400 in open-unlearning",
        f"the same distance D = 0.4 has p = {', '.join(shares)}",
    )


def _token_mean(finetuned: Mapping[str, Any]) -> Difference:
    tokens = float(finetuned["forget"].tokens.answer.mean())
    return Difference(
        "GA: sum or mean over an answer's tokens",
        "the paper's formula sums; the authors' code takes the mean for GA, RT and IDK, sums for NPO, DPO and KTO",
        f"a factor of {tokens:.1f} in the gradient, the tokens of an answer here: NPO as β → 0 is that much stronger "
        "than such a GA",
    )


def _kl_padding(finetuned: Mapping[str, Any]) -> Difference:
    tokens = float(finetuned["retain"].tokens.answer.mean())
    return Difference(
        "KL: over answer tokens, or over all positions of a padded batch",
        "TOFU's and the authors' code divides by batch × 500 positions, prompt and padding included",
        f"answers have {tokens:.1f} of these 500 tokens here: the divisor is {500 / tokens:.0f} times as large",
    )


def _pairing(forget: int, retain: int) -> Difference:
    from scale.training.pairing import partner

    ours = {partner(0, epoch, i, forget=forget, retain=retain) for epoch in range(10) for i in range(forget)}
    fixed = {_drawn(i, retain) for i in range(forget)}
    return Difference(
        "Which retain rows are seen",
        "the authors' code seeds by row index, so every epoch pairs alike; open-unlearning draws the same on all ranks",
        f"{len(fixed)} different retain rows in ten epochs if seeded by index, {len(ours)} of {retain} here",
    )


def _drawn(index: int, retain: int) -> int:
    generator = torch.Generator().manual_seed(index)
    return int(torch.randint(retain, (1,), generator=generator))


def _master_weights() -> Difference:
    """AdamW at 1e-5 for 125 steps on weights of the usual size, in float32 and in bfloat16."""
    start = torch.randn(20_000, generator=torch.Generator().manual_seed(0)) * 0.02
    slope = torch.randn(20_000, generator=torch.Generator().manual_seed(1))
    moved = []
    for dtype in (torch.float32, torch.bfloat16):
        weights = torch.nn.Parameter(start.to(dtype))
        before = weights.detach().clone()
        optimizer = torch.optim.AdamW([weights], lr=1e-5, weight_decay=0.0)
        for _ in range(125):
            weights.grad = slope.to(dtype)
            optimizer.step()
        moved.append(float((weights.detach() != before).float().mean()))
    return Difference(
        "Master weights: float32, or the model's bfloat16",
        "a model loaded in bfloat16 and trained without float32 copies; DeepSpeed keeps them, a plain loop does not",
        f"after 125 steps of AdamW at 1e-5 with a constant gradient {moved[1]:.0%} of bfloat16 weights have moved, "
        f"{moved[0]:.0%} of float32 ones",
    )


def _seeds(runs: Sequence[UnlearningRun]) -> list[Difference]:
    by_label: dict[str, list[float]] = {}
    for run in runs:
        if (value := run.moments[run.kept].scores.get("log10_forget_quality")) is not None:
            by_label.setdefault(run.label, []).append(value)
    spread = {label: max(x) - min(x) for label, x in by_label.items() if len(x) > 1}
    if not spread:
        return []
    widest = max(spread, key=lambda label: spread[label])
    return [
        Difference(
            "The seed",
            "most published numbers have one",
            f"log₁₀ forget quality of {widest} spreads over {spread[widest]:.2g} between seeds",
        )
    ]
