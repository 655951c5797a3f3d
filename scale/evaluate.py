"""A model on its questions: losses of answer, paraphrase and perturbed answers, and a few answers of its own.

In this pass utility is the harmonic mean of probability and truth ratio on the retain set alone. Real authors and world
facts are left out, since a model trained from scratch on a few authors knows none; so is ROUGE, for which every answer
would have to be generated. Utility here is therefore no number to put beside a published one.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from scale import metrics
from scale.answers import score_all
from scale.metrics import Losses
from scale.models import LanguageModel
from scale.prompts import Encoded, encode, prompt
from scale.tofu import Row

__all__ = [
    "Evaluation",
    "Exam",
    "Questions",
    "arrays",
    "finite",
    "generate",
    "measure",
    "quality",
    "questions",
    "summary",
]


class Questions(NamedTuple):
    """Rows ready to be scored: of each, the answer, the paraphrase and the perturbed answers, one after another."""

    encoded: tuple[Encoded, ...]
    perturbed: int

    def losses(self, logp: torch.Tensor, count: torch.Tensor) -> Losses:
        """Per-token mean NLL in nats, back in the shape of the rows."""
        nll = (-logp.double() / count).numpy().reshape(-1, 2 + self.perturbed)
        return Losses(nll[:, 0], nll[:, 1], nll[:, 2:])


class Exam(NamedTuple):
    """What a model is asked, again and again."""

    forget: Questions
    retain: Questions


class Evaluation(NamedTuple):
    """The losses on forget and retain questions at one moment."""

    forget: Losses
    retain: Losses


def questions(language_model: LanguageModel, rows: Sequence[Row]) -> Questions:
    """Tokenise all that is asked about `rows`; they need a paraphrase and equally many perturbed answers."""
    encoded = tuple(
        encode(language_model.tokenizer, row.question, answer)
        for row in rows
        for answer in (row.answer, row.paraphrased_answer, *row.perturbed_answer)
    )
    return Questions(encoded, len(rows[0].perturbed_answer))


def measure(language_model: LanguageModel, exam: Exam) -> Evaluation:
    """Score the forget and retain questions in one sorted sweep."""
    pad = language_model.tokenizer.pad_token_id
    logp, count = score_all(language_model.model, [*exam.forget.encoded, *exam.retain.encoded], pad)
    k = len(exam.forget.encoded)
    return Evaluation(exam.forget.losses(logp[:k], count[:k]), exam.retain.losses(logp[k:], count[k:]))


def finite(value: float) -> float | None:
    """A number that JSON can hold: None for NaN and the infinities."""
    return float(value) if math.isfinite(value) else None


def summary(found: Evaluation) -> dict[str, float | None]:
    """The means that are reported: probability and (geometric) truth ratio on both sets, and utility."""
    forget_ratio = metrics.log_truth_ratio_geometric(found.forget)
    retain_ratio = metrics.log_truth_ratio_geometric(found.retain)
    parts = {
        "retain_probability": metrics.probability(found.retain).mean(),
        "retain_truth_ratio": metrics.retain_truth_ratio(retain_ratio).mean(),
    }
    values = {
        "forget_probability": metrics.probability(found.forget).mean(),
        "forget_truth_ratio": metrics.forget_truth_ratio(forget_ratio).mean(),
        **parts,
        "utility": metrics.harmonic_mean(parts.values()),
    }
    return {name: finite(value) for name, value in values.items()}


def quality(found: Losses, retrained: Losses) -> dict[str, float | None]:
    """Forget quality against the retrained model, under both truth ratios; the geometric one goes without a suffix.

    To be read beside utility: a model that is destroyed can tell nothing apart, and may score high by that alone.
    """
    geometric, arithmetic = (
        metrics.forget_quality(ratio(found), ratio(retrained))
        for ratio in (metrics.log_truth_ratio_geometric, metrics.log_truth_ratio_arithmetic)
    )
    return {
        "forget_quality": finite(geometric.p),
        "log10_forget_quality": finite(geometric.log10_p),
        "ks_statistic": finite(geometric.statistic),
        "forget_quality_arithmetic": finite(arithmetic.p),
        "log10_forget_quality_arithmetic": finite(arithmetic.log10_p),
        "ks_statistic_arithmetic": finite(arithmetic.statistic),
    }


def arrays(found: Sequence[Evaluation]) -> dict[str, np.ndarray]:
    """Every number by question, evaluations along the first axis: losses (nats per token), geometric truth ratios."""
    stacked: dict[str, np.ndarray] = {}
    for name in Evaluation._fields:
        every: list[Losses] = [getattr(one, name) for one in found]
        for part in Losses._fields:
            stacked[f"{name}_{part}_nll"] = np.stack([getattr(losses, part) for losses in every])
        with np.errstate(over="ignore"):  # a destroyed model's ratio may be infinite
            ratios = [np.exp(metrics.log_truth_ratio_geometric(losses)) for losses in every]
        stacked[f"{name}_truth_ratio"] = np.stack(ratios)
    return stacked


@torch.no_grad()
def generate(language_model: LanguageModel, question: str, *, max_new_tokens: int) -> str:
    """The model's greedy answer to a question, up to its end token or `max_new_tokens`."""
    model, tokenizer = language_model
    model.eval()
    # Without the prompt's last space: it is part of the answer's first token (" The").
    given = tokenizer(prompt(question).rstrip(" "), return_tensors="pt").to(model.device)
    length = given["input_ids"].shape[1]
    found = model.generate(
        input_ids=given["input_ids"],
        attention_mask=given["attention_mask"],
        do_sample=False,
        max_new_tokens=max_new_tokens,
        pad_token_id=tokenizer.pad_token_id,
    )
    return str(tokenizer.decode(found[0, length:], skip_special_tokens=True)).strip()
