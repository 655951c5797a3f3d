"""The intrinsic times of the wider family, as formulas in the drop u of an answer of one token; p = π_ref.

With q = p e^{−v} the probability on the way, a loss h(q) of the probability has w = h'(q) q, so that its time is

    T = ∫ dq / (h'(q) q²) = Σ_k g_k p^{k−1} (1 − e^{−(k−1)u})/(k − 1),        1/h'(q) = Σ_k g_k q^k

    WTNPO           T = ½ p^{−α} [(e^{αu} − 1)/α + (1 + ε p^{−β}) (e^{(α+β)u} − 1)/(α + β)]
    IHL             T = (e^u − 1)/(2p)                  two classes, where its weight is 2q
    FLAT            TV: h = ½ tanh q;  KL: e^{q−1};  Pearson: q + q²/4;  JS: q + log(1 + e^{−q}) − log 2
    D2O             T = (u + e^S (e^{au} − 1)/a)/a      S the positive answers' term, held still
    KTO, sigmoid    T = u + ½ (e^z (e^{βu} − 1)/β + e^{−z} (1 − e^{−βu})/β)

Each is a function of the answer and of the loss's hyperparameters, checked against quadrature of the weight.
Sources: arXiv:2502.19301 (WTNPO), 2408.06621 (IHL), 2410.11143 (FLAT), 2403.03419 (D2O), 2404.05868 (KTO's code).
"""

from collections.abc import Mapping, Sequence
from math import factorial
from types import MappingProxyType

import numpy as np

from theory.theorems.time.closed_times import ClosedTime, exponentials
from theory.theorems.time.drop_weights import ForgetAnswer

__all__ = ["FLAT_SERIES", "d2o_time", "flat_time", "ihl_time", "kto_sigmoid_time", "wtnpo_time"]

TERMS = 60  # of a series in q ≤ 1: each has radius of convergence 2 at least


def wtnpo_time(answer: ForgetAnswer, *, beta: float, alpha: float, floor: float = 1e-5) -> ClosedTime:
    """Of w = 2q^{α+β}/(q^β + p^β + ε).

    >>> float(wtnpo_time(ForgetAnswer(0.0), beta=1.0, alpha=1.0, floor=0.0).time(np.log([2.0]))[0])  # ½ (1 + 3/2)
    1.25
    """
    early = 0.5 * np.exp(-alpha * answer.ref_logp)
    late = early * (1 + floor * np.exp(-beta * answer.ref_logp))
    formula = "T = ½ p^{−α} [(e^{αu} − 1)/α + (1 + ε p^{−β}) (e^{(α+β)u} − 1)/(α + β)]"
    return exponentials(formula, {alpha: early, alpha + beta: late})


def ihl_time(answer: ForgetAnswer) -> ClosedTime:
    """Of w = 2q, which inverted hinge has on two classes.

    >>> float(ihl_time(ForgetAnswer(0.0)).time(np.log([3.0]))[0])
    1.0
    """
    return exponentials("T = (e^u − 1)/(2p)", {1.0: 0.5 * np.exp(-answer.ref_logp)})


def _reciprocal_slopes() -> dict[str, list[float]]:
    """The coefficients of 1/h'(q): 2 cosh² q = 1 + cosh 2q, e·e^{−q}, 1/(1 + q/2), 1 + e^{−q}."""
    cosh = [0.0 if k % 2 else 2.0**k / factorial(k) for k in range(TERMS)]
    exponential = [(-1.0) ** k / factorial(k) for k in range(TERMS)]
    return {
        "TV": [1 + cosh[0], *cosh[1:]],
        "KL": [np.e * x for x in exponential],
        "Pearson": [(-0.5) ** k for k in range(TERMS)],
        "JS": [1 + exponential[0], *exponential[1:]],
    }


FLAT_SERIES: Mapping[str, Sequence[float]] = MappingProxyType(_reciprocal_slopes())
"""FLAT's f-divergences by name: the series of 1/h' in the answer's probability, h = f* ∘ g*."""


def flat_time(answer: ForgetAnswer, *, divergence: str) -> ClosedTime:
    """Of w = h'(q) q, for one of FLAT's divergences.

    >>> law = flat_time(ForgetAnswer(-20.0), divergence="TV")  # h'(0) = ½
    >>> round(float(law.time(np.array(1e-9)) * 1e9 * np.exp(-20.0)), 6)
    2.0
    """
    p = np.exp(answer.ref_logp)
    terms = {1.0 - k: g * p ** (k - 1.0) for k, g in enumerate(FLAT_SERIES[divergence]) if g}
    return exponentials("T = Σ_k g_k p^{k−1} (1 − e^{−(k−1)u})/(k − 1)", terms)


def d2o_time(answer: ForgetAnswer, *, alpha: float, beta: float) -> ClosedTime:
    """Of w = α ρ^α/(ρ^α + e^S), ρ = q/p, S = β times the positive answers' log-ratio, `held` as logp_alternate.

    >>> round(float(d2o_time(ForgetAnswer(-1.0), alpha=1.0, beta=1.0).time(np.log([2.0]))[0]), 6)  # log 2 + 1
    1.693147
    """
    ratio = answer.held.get("logp_alternate", 0.0) - answer.held.get("ref_logp_alternate", 0.0)
    terms = {0.0: 1 / alpha, alpha: np.exp(beta * ratio) / alpha}
    return exponentials("T = (u + e^S (e^{αu} − 1)/α)/α", terms)


def kto_sigmoid_time(answer: ForgetAnswer, *, beta: float) -> ClosedTime:
    """Of w = 2σ(z + βu) σ(−z − βu), its code's `kto_sigmoid`; z is `held` as z_ref.

    >>> float(kto_sigmoid_time(ForgetAnswer(-1.0), beta=1.0).time(np.array(0.0)))
    0.0
    """
    z = answer.held.get("z_ref", 0.0)
    formula = "T = u + ½ (e^z (e^{βu} − 1)/β + e^{−z} (1 − e^{−βu})/β)"
    return exponentials(formula, {0.0: 1.0, beta: 0.5 * np.exp(z), -beta: 0.5 * np.exp(-z)})
