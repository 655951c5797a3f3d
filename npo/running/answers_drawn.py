"""Answers that stand for those of a model, with every quantity that a loss may ask for: drawn, or put at extremes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from theory.quantities import QUANTITIES

__all__ = ["AT", "REFERENCE", "drawn", "first_alone", "said_of", "with_answer_at"]

AT = (0.0, -1e-6, -1.0, -30.0, -300.0, -1e4)
"""log π of a token of the answer under the model, nats; 0 is certain."""
REFERENCE = (0.0, -1.0, -80.0, -1e4)
"""The same under the reference."""
VOCABULARY, WIDTH, MOST = 5, 3, 4
CERTAIN = 200.0


def drawn(answers: int, kind: torch.dtype, most: int = MOST) -> dict[str, Tensor]:
    """Every quantity of so many answers of one to `most` tokens, from a fixed seed; log-probabilities in nats.

    >>> rows = drawn(3, torch.float64)
    >>> bool((rows["logp"] <= 0).all()), rows["token_logp"].shape == rows["example"].shape
    (True, True)
    """
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(1, most + 1, (answers,), generator=generator)
    example = torch.arange(answers).repeat_interleave(counts)
    position = torch.cat([torch.arange(int(count)) for count in counts])
    labels = (example + 2 * position) % VOCABULARY
    indices = {"example": example, "position": position, "labels": labels}
    found: dict[str, Tensor] = {}
    for name, one in QUANTITIES.items():
        if name in indices:
            found[name] = indices[name]
        elif one.unit == "tokens":
            found[name] = counts
        elif one.level == "example":
            size = (answers,) if one.shape != "()" else ()
            value = 0.1 + 3 * torch.rand(size, generator=generator, dtype=torch.float64)
            found[name] = _of_example(name, value).to(kind)
        elif one.level == "token":
            found[name] = -(0.05 + 2 * torch.rand(len(example), generator=generator, dtype=torch.float64)).to(kind)
        else:
            width = VOCABULARY if one.level == "logits" else WIDTH
            found[name] = torch.randn(len(example), width, generator=generator, dtype=torch.float64).to(kind)
    return found


def _of_example(name: str, positive: Tensor) -> Tensor:
    """A log-probability is below 0, a probability from 0 to 1, KTO's reference point above 0."""
    if "prob" in name:
        return positive / 4
    return positive / 10 if name == "z_ref" else -positive


def first_alone(rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The first answer as a batch of its own."""
    own = rows["example"] == 0
    return {
        name: x if x.ndim == 0 else x[:1] if QUANTITIES[name].level == "example" else x[own] for name, x in rows.items()
    }


def with_answer_at(rows: Mapping[str, Tensor], at: float, ref: float) -> dict[str, Tensor]:
    """The rows with every token of the forget answer at log π = `at`, under the reference at `ref`; nats."""
    found = dict(rows)
    for name, value in (("", at), ("ref_", ref)):
        for one in (f"{name}logp", f"{name}logp_lose"):
            found[one] = value * rows["count"].to(rows[one])
        found[f"{name}token_logp"] = torch.full_like(rows[f"{name}token_logp"], value)
        logits = torch.zeros_like(rows[f"{name}logits"])
        above = CERTAIN if value > -1e-5 else value - torch.log(-torch.expm1(torch.tensor(value))).item()
        logits[torch.arange(len(logits)), rows["labels"]] = above + torch.log(torch.tensor(VOCABULARY - 1.0)).item()
        found[f"{name}logits"] = logits
    if "mean_prob" in found:
        found["mean_prob"] = torch.full_like(rows["mean_prob"], at).exp()
    return found


def said_of(at: float, ref: float) -> str:
    """These places, in words.

    >>> said_of(0.0, -1.0)
    'log π = 0 a token, reference −1'
    """
    return f"log π = {at:g} a token, reference {ref:g}".replace("-", "−")
