"""Everything that a kernel may ask for, in one table: what it is, of what shape, and whether gradients flow to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["QUANTITIES", "Quantity", "moves", "plain_name", "wide"]

# The forget answer goes by one name where it is alone and by another where a kernel pairs it with a positive one.
_ALIASES = {"logp_lose": "logp", "ref_logp_lose": "ref_logp"}


@dataclass(frozen=True)
class Quantity:
    """What a kernel may ask for by a parameter of this name; `moving` is what gradients flow to.

    `level` is "example" (one number an answer), "token" (one an answer token), "logits" (a row over the vocabulary at
    each position that predicts an answer token), "hidden" (a hidden state at each of these) or "index" (integers of
    the same rows). The rows of a batch stand example after example, in the order of the answers.
    """

    name: str
    level: Literal["example", "token", "logits", "hidden", "index"]
    shape: str
    unit: str
    moving: bool
    about: str


def _example(name: str, about: str, *, moving: bool = False, unit: str = "nats", shape: str = "(batch,)") -> Quantity:
    return Quantity(name, "example", shape, unit, moving, about)


QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        one.name: one
        for one in (
            _example("logp", "log π_θ(y|x) of the answer, summed over its tokens", moving=True),
            _example("ref_logp", "the same under the reference"),
            _example("logp_lose", "`logp`, where a kernel pairs it with another answer", moving=True),
            _example("ref_logp_lose", "`ref_logp`, where a kernel pairs it with another answer"),
            _example("logp_win", 'log π_θ(y⁺|x) of the positive answer, "I don\'t know"', moving=True),
            _example("ref_logp_win", "the same under the reference"),
            _example("logp_win_after", "log π_θ of it after the beginning of the forget answer", moving=True),
            _example("mean_prob", "the mean probability (1/n) Σ_t p_t of the answer's tokens", moving=True, unit="1"),
            _example("mean_prob_win", "the same of the positive answer", moving=True, unit="1"),
            _example("logp_alternate", "log π_θ of an alternative answer of the same domain", moving=True),
            _example("ref_logp_alternate", "the same under the reference"),
            _example("count", "how many tokens the answer has", unit="tokens"),
            _example("count_win", "how many the positive answer has", unit="tokens"),
            _example("count_win_after", "the same", unit="tokens"),
            _example("count_alternate", "how many the alternative answer has", unit="tokens"),
            _example("z_ref", "the reference point of KTO, β times a mean KL", shape="()"),
            Quantity("token_logp", "token", "(tokens,)", "nats", True, "log p_t of each answer token"),
            Quantity("ref_token_logp", "token", "(tokens,)", "nats", False, "the same under the reference"),
            Quantity("example", "index", "(tokens,)", "1", False, "which example of the batch a token belongs to"),
            Quantity("position", "index", "(tokens,)", "1", False, "its place in its answer, from 0"),
            Quantity("labels", "index", "(tokens,)", "1", False, "its number in the vocabulary"),
            Quantity("logits", "logits", "(tokens, vocabulary)", "1", True, "the logits that predict it"),
            Quantity("ref_logits", "logits", "(tokens, vocabulary)", "1", False, "the same of the reference"),
            Quantity(
                *("reinforced_logits", "logits", "(tokens, vocabulary)", "1", False),
                "those of the reference trained further on the forget rows",
            ),
            Quantity("hidden", "hidden", "(tokens, width)", "1", True, "the state there after the block `layer`"),
            Quantity("ref_hidden", "hidden", "(tokens, width)", "1", False, "the same of the reference"),
        )
    }
)
"""Everything that a kernel may ask for, by name; of a retain kernel it is that of the retain set."""


def moves(name: str) -> bool:
    """Whether gradients flow to a quantity.

    >>> moves("token_logp"), moves("count"), moves("ref_logp")
    (True, False, False)
    """
    known = QUANTITIES.get(name)
    return known.moving if known else not name.startswith("ref_")


def wide(name: str) -> bool:
    """Whether a quantity has a last axis over the vocabulary or over the width of a hidden state.

    >>> wide("ref_logits"), wide("labels")
    (True, False)
    """
    return name in QUANTITIES and QUANTITIES[name].level in ("logits", "hidden")


def plain_name(name: str) -> str:
    """The name by which a quantity is handed over: that of the forget answer, however a kernel calls it.

    >>> plain_name("logp_lose")
    'logp'
    """
    return _ALIASES.get(name, name)
