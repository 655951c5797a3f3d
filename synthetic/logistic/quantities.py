"""What the logistic room has of the quantities that a kernel may ask for, and how weights on them pull at the logits.

An answer is one token of two or K classes, so `logp` and `token_logp` are the same number, every count is 1, the
positive answer has no beginning of the forget answer before it (`logp_win_after` is `logp_win`), and the alternative
answer is another class: the other one of two, one of the others of K. It is also the positive answer of a retain row.
The hidden states are the features, which are drawn at random and stay as they are: a loss on them has no gradient, and
is refused. The reinforced model is π_ref after `FURTHER` steps of descent on the forget rows' NLL, of step 1/‖H‖².

Logits are kept as the room has them, a number z (rows,) for two classes and (rows, K) for more; `ClassLogits` says what
they mean.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from scipy.special import expit, softmax
from torch import Tensor

from records.errors import UserError
from theory.objective import Objective
from theory.weights import bernoulli_kl, categorical_kl, log_sigmoid, log_softmax

__all__ = ["CLASSES", "FURTHER", "TWO", "AnsweredRows", "ClassLogits", "check_supplied", "other_classes", "reinforced"]

Array = np.ndarray
_ANSWERS = {"": "logp", "_win": "logp_win", "_alternate": "logp_alternate"}
_PROBABILITIES = {"mean_prob": "logp", "mean_prob_win": "logp_win"}
FURTHER = 20
"""Steps by which the reference is trained further on the forget rows, where a loss asks for that model."""
_HIDDEN = ("hidden", "ref_hidden")


@dataclass(frozen=True)
class ClassLogits:
    """What logits z say: log-probabilities of labels, the logits of all classes, divergences, and slopes on z."""

    logp: Callable[[Array, Array], Array]
    """(z, labels) -> log π(y|x)"""
    every: Callable[[Array], Array]
    """z -> (rows, K)"""
    kl: Callable[[Array, Array], Array]
    """(z, z_ref) -> KL(π_θ ‖ π_ref)"""
    pull: Callable[[Array, Array, Array], Array]
    """(z, labels, weights) -> d Σ w log π(y|x) / dz"""
    back: Callable[[Array], Array]
    """gradient on the logits of all classes -> gradient on z"""


def _two_logits(z: Array) -> Array:
    return np.stack([np.zeros_like(z), z], axis=1)


def _onehot(z: Array, y: Array) -> Array:
    return np.asarray(np.eye(z.shape[1])[y])


TWO = ClassLogits(
    logp=lambda z, y: log_sigmoid((2 * y - 1) * z),
    every=_two_logits,
    kl=bernoulli_kl,
    pull=lambda z, y, w: w * (y - expit(z)),
    back=lambda gradient: np.asarray(gradient[:, 1]),
)
"""One logit a row, of class 1 against class 0."""

CLASSES = ClassLogits(
    logp=lambda z, y: log_softmax(z)[np.arange(len(y)), y],
    every=lambda z: z,
    kl=categorical_kl,
    pull=lambda z, y, w: w[:, None] * (_onehot(z, y) - softmax(z, axis=1)),
    back=lambda gradient: gradient,
)
"""A logit for each of K classes."""


def other_classes(y: Array, classes: int) -> Array:
    """For each label another class, any of the others alike; of two classes the other one. Drawn from a fixed seed.

    >>> other_classes(np.array([0, 1, 1]), 2)
    array([1, 0, 0])
    """
    generator = torch.Generator().manual_seed(2**62)
    turn = torch.randint(1, classes, (len(y),), generator=generator).numpy()
    return np.asarray((y + turn) % classes)


@dataclass(frozen=True)
class AnsweredRows:
    """Features with their answers: labels by "" (the answer), "_win" ("I don't know"), "_alternate".

    `ref` are the logits of π_ref, `further` those of the reinforced model where it is wanted. Retain rows have no
    alternative answer.
    """

    reading: ClassLogits
    features: Array
    answers: Mapping[str, Array]
    ref: Array
    further: Array | None = None

    def some(self, rows: Array) -> "AnsweredRows":
        """These rows alone."""
        answers = {kind: y[rows] for kind, y in self.answers.items()}
        further = None if self.further is None else self.further[rows]
        return replace(self, features=self.features[rows], answers=answers, ref=self.ref[rows], further=further)

    def fixed(self, asked: frozenset[str]) -> dict[str, Tensor]:
        """What stays as it is: of the reference, counts, places."""
        y = self.answers[""]
        one = torch.ones(len(y), dtype=torch.int64)
        known = {f"count{kind}": one for kind in (*self.answers, "_win_after")}
        known |= {"example": torch.arange(len(y)), "position": 0 * one, "labels": torch.from_numpy(y.astype(np.int64))}
        of_reference = {name[4:] for name in asked if name.startswith("ref_")}
        known |= {f"ref_{name}": x for name, x in self.moving(self.ref, frozenset(of_reference)).items()}
        if self.further is not None:
            known["reinforced_logits"] = torch.from_numpy(np.ascontiguousarray(self.reading.every(self.further)))
        return {name: x for name, x in known.items() if name in asked}

    def moving(self, z: Array, asked: frozenset[str]) -> dict[str, Tensor]:
        """What the logits z say."""
        found = {name: self.reading.logp(z, y) for name, y in self._labels.items() if name in asked}
        found |= {
            name: np.exp(self.reading.logp(z, self._labels[of])) for name, of in _PROBABILITIES.items() if name in asked
        }
        if "logits" in asked:
            found["logits"] = self.reading.every(z)
        if "kl_to_ref" in asked:
            found["kl_to_ref"] = self.reading.kl(z, self.ref)
        return {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in found.items()}

    def slope(self, z: Array, weights: Mapping[str, Tensor]) -> Array:
        """d Σ loss / dz from the gradient weights by quantity."""
        labels, total = self._labels, np.zeros_like(z)
        for name, weight in weights.items():
            w = weight.numpy()
            if name in _PROBABILITIES:
                name = _PROBABILITIES[name]
                w = w * np.exp(self.reading.logp(z, labels[name]))
            total += self.reading.back(w) if name == "logits" else self.reading.pull(z, labels[name], w)
        return total

    @cached_property
    def _labels(self) -> dict[str, Array]:
        found = {_ANSWERS[kind]: y for kind, y in self.answers.items()} | {"token_logp": self.answers[""]}
        return found | ({"logp_win_after": found["logp_win"]} if "logp_win" in found else {})


def reinforced(rows: AnsweredRows) -> AnsweredRows:
    """The rows with the logits of a reference that was trained further on them, by descent on Σ −log π(y|x).

    θ moves by Hᵀ s, so that the logits H θ move by (H Hᵀ) s.
    """
    kernel = rows.features @ rows.features.T
    rate, z, y = 1 / np.linalg.norm(kernel, 2), rows.ref, rows.answers[""]
    for _ in range(FURTHER):
        z = z + rate * kernel @ rows.reading.pull(z, y, np.ones(len(y)))
    return replace(rows, further=z)


def check_supplied(objective: Objective) -> None:
    """UserError where an objective needs what this room does not have."""
    asked = sorted(objective.forget_needs | objective.retain_needs)
    if hidden := [name for name in asked if name in _HIDDEN]:
        raise UserError(
            f"it takes {' and '.join(hidden)}: in the logistic room the hidden states are fixed random features, so "
            "that nothing would be learned from them. Run it in the transformer or on a language model."
        )
