"""Many scores of a model as few: open-unlearning's aggregates, harmonic means of parts that are all better when larger.

    memorisation  HM(1 − ES, 1 − EM, 1 − paraphrase probability, 1 − truth share)
    privacy       HM of s over the membership attacks (LOSS, zlib, Min-K, Min-K++), s in one of `CLOSENESS`
    utility       HM(model utility, fluency)
    all           HM(memorisation, privacy, utility)

Where the finetuned model's scores are given, each score of memorisation and utility is divided by its own first, as
the paper does for its Table 3 (arXiv:2506.12618, App. F.1): that model then has memorisation 0 and utility 1. The paper
names no formula for s, and four circulate.

What the published table decides, with the published scores of Llama-3.2-1B on forget10 (its finetuned model .00, .10,
1.00; the retrained one .31, 1.00, .99):

    memorisation  scaled .000 and .346, not scaled .087 and .585: the table's is scaled, and of other runs
    privacy       finetuned .000 (scaled), .000 (relative), .094 (exponential), .100 (odds); retrained 1 in each.
                  Only odds has the .10, by a constant that was solved from it, so that is no evidence; and GradDiff's
                  .0033 is out of its reach and of exponential's, whatever the AUC (at an AUC of 0: .14, .22).
                  relative alone gives over-unlearning 0. No one of the four makes the whole table.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from scale.evaluation.metrics.utility import harmonic_mean

__all__ = [
    "CLOSENESS",
    "all_of",
    "close_exponential",
    "close_odds",
    "close_relative",
    "close_scaled",
    "harmonic",
    "memorisation",
    "privacy",
    "utility",
]

Closeness = Callable[[float, float, float], float]


def harmonic(parts: Iterable[float]) -> float:
    """n / Σ 1/x of parts that are not negative; 0 where one is 0; NaN where one is NaN or negative, or there is none.

    >>> harmonic([1.0, 0.5]), harmonic([1.0, 0.0]), harmonic([1.0, -1.0])
    (0.6666666666666666, 0.0, nan)
    """
    values = [float(part) for part in parts]
    return harmonic_mean(values) if all(value >= 0 for value in values) else math.nan


def memorisation(scores: Sequence[float], finetuned: Sequence[float] | None = None) -> float:
    """HM of 1 − x over extraction strength, exact memorization, paraphrase probability and truth share; 1 is forgotten.

    With the `finetuned` model's same scores, of 1 − x/x_finetuned, cut at 0: the form of the published table.

    >>> round(memorisation([0.70627, 0.97394, 0.10042, 0.68498]), 4)
    0.0868
    >>> memorisation([0.5, 0.5], finetuned=[1.0, 1.0]), memorisation([1.1, 0.5], finetuned=[1.0, 1.0])
    (0.5, 0.0)
    """
    return harmonic(_above_zero(1 - part) for part in _over(scores, finetuned))


def _above_zero(value: float) -> float:
    return 0.0 if value < 0 else value  # NaN stays


def utility(scores: Sequence[float], finetuned: Sequence[float] | None = None) -> float:
    """HM of model utility and fluency; with the `finetuned` model's, each over its own.

    Fluency is the probability with which a classifier holds answers for clean text, so larger is better although the
    score is called gibberish.

    >>> utility([0.5, 1.0]), utility([0.5, 1.0], finetuned=[0.5, 1.0])
    (0.6666666666666666, 1.0)
    """
    return harmonic(_over(scores, finetuned))


def _over(scores: Sequence[float], finetuned: Sequence[float] | None) -> list[float]:
    if finetuned is None:
        return list(scores)
    return [one / base if base else math.nan for one, base in zip(scores, finetuned, strict=True)]


def close_scaled(auc: float, retrained: float, finetuned: float) -> float:
    """1 − |auc − retrained|/|finetuned − retrained|, not below 0: the finetuned model's own AUC has 0.

    Of an early version of unlearning depth (arXiv:2605.24614).

    >>> close_scaled(0.75, 0.5, 1.0)
    0.5
    """
    return _cut(abs(auc - retrained), abs(finetuned - retrained))


def close_relative(auc: float, retrained: float, finetuned: float = math.nan) -> float:
    """1 − |auc − retrained|/retrained, not below 0.  Source: code of arXiv:2605.24614, at fc31639.

    >>> close_relative(0.25, 0.5), close_relative(1.0, 0.4)
    (0.5, 0.0)
    """
    del finetuned
    return _cut(abs(auc - retrained), retrained)


def close_exponential(auc: float, retrained: float, finetuned: float = math.nan) -> float:
    """exp(−(ln 10/.6) |auc − retrained|): .1 at a distance of .6, which a reproduction of the table chose for that.

    >>> round(close_exponential(1.0, 0.4), 12)
    0.1
    """
    del finetuned
    return math.exp(-math.log(10) / 0.6 * abs(auc - retrained))


def close_odds(auc: float, retrained: float, finetuned: float = math.nan) -> float:
    """1/(1 + 9.05 |d|), d = (retrained − auc)/(1 − retrained): PrivLeak's deviation, with another's chosen constant.

    NaN for retrained = 1.

    >>> round(close_odds(1.0, 0.4), 4), close_odds(0.4, 0.4)
    (0.0995, 1.0)
    """
    del finetuned
    return 1 / (1 + 9.05 * abs(retrained - auc) / (1 - retrained)) if retrained < 1 else math.nan


def _cut(distance: float, unit: float) -> float:
    return _above_zero(1 - distance / unit) if unit else (1.0 if distance == 0 else math.nan)


CLOSENESS: Mapping[str, Closeness] = MappingProxyType(
    {"scaled": close_scaled, "relative": close_relative, "exponential": close_exponential, "odds": close_odds}
)
"""How close an AUC is to the retrained model's, 1 for the same: of (auc, retrained, finetuned), by the form's name."""


def privacy(
    form: str,
    aucs: Mapping[str, float],
    retrained: Mapping[str, float],
    finetuned: Mapping[str, float] | None = None,
) -> float:
    """HM over the attacks of how close a model's AUC is to the retrained one's, in a form of `CLOSENESS`.

    `scaled` alone needs the finetuned model's, and is NaN without.  KeyError where an attack lacks a reference or there
    is no such form.

    >>> privacy("relative", {"loss": 0.5, "zlib": 0.2}, {"loss": 0.5, "zlib": 0.4})
    0.6666666666666666
    """
    close = CLOSENESS[form]
    return harmonic(close(auc, retrained[name], (finetuned or {}).get(name, math.nan)) for name, auc in aucs.items())


def all_of(memorisation: float, privacy: float | None, utility: float) -> float:
    """HM of the three, or of memorisation and utility where privacy is None: as the paper's Tables 3 and 6.

    >>> round(all_of(0.32, 0.63, 1.0), 2), round(all_of(0.32, None, 1.0), 2)
    (0.53, 0.48)
    """
    return harmonic(part for part in (memorisation, privacy, utility) if part is not None)
