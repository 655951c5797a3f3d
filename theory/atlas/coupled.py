"""DPO and AltPO with a positive answer of its own: the forget margin grows like log τ, the positive one like log log τ.

The forget answer has probability σ(c − m), the positive one σ(c_w + m_w), of another logit. Both logits are driven by
the one weight g = 2σ(−βΔ) of the pair, Δ = (log π_w − log π_w,ref) − (log π − log π_ref):

    dm/dτ = g σ(m − c),    dm_w/dτ = g σ(−c_w − m_w).

In the clock y with dy/dτ = g each is gradient ascent (descent) by itself, so that

    y = m + e^c − e^(c−m) = m_w + e^(c_w + m_w) − e^(c_w)

is an invariant of the pair, both margins are Wright's ω of y, and one quadrature is left: τ = ∫ dy/g(y). It is done in
log τ, so that log τ itself may reach 1e8: log log τ is slow.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import wrightomega

from theory.atlas.growth import Growth, logarithmic
from theory.theorems.paper.margins import drop
from theory.weights import log_sigmoid, softplus

__all__ = ["CoupledPair"]

Array = np.ndarray
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


@dataclass(frozen=True)
class CoupledPair:
    """A forget answer of confidence c and a positive answer of confidence c_w under DPO with weight 2σ(−βΔ).

    >>> pair = CoupledPair(beta=1.0, confidence=2.0, positive_confidence=0.0)
    >>> print(pair.forget(), pair.positive(), sep="; ")
    m = log τ + 2.12693; m = log log τ
    """

    beta: float
    confidence: float = 2.0
    positive_confidence: float = -2.0

    def margins(self, clock: Float[Array, " k"]) -> tuple[Array, Array]:
        """m and m_w at these clocks y."""
        c, positive = self.confidence, self.positive_confidence
        m = clock - np.exp(c) + np.real(wrightomega(c + np.exp(c) - clock))
        return np.asarray(m), np.log(np.real(wrightomega(clock + positive + np.exp(positive)))) - positive

    def log_slowness(self, clock: Float[Array, " k"]) -> Float[Array, " k"]:
        """log dτ/dy = −log g = log(1 + e^(βΔ)) − log 2."""
        m, positive = self.margins(clock)
        rise = log_sigmoid(self.positive_confidence + positive) - log_sigmoid(np.array(self.positive_confidence))
        return np.asarray(softplus(self.beta * (rise + drop(m, self.confidence))) - np.log(2))

    def log_times(self, clock: Float[Array, " k"]) -> Float[Array, " k"]:
        """log τ at increasing clocks y > 0, by quadrature in the log domain, however large τ is."""
        edges, wanted = self._edges(clock)
        middles, halves = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
        slow = self.log_slowness((middles[:, None] + halves[:, None] * _NODES).ravel()).reshape(len(middles), -1)
        pieces = np.logaddexp.reduce(slow + np.log(_WEIGHTS * halves[:, None]), axis=1)
        return np.asarray(np.logaddexp.accumulate(pieces)[wanted - 1])

    def positive_speed(self, margin: Float[Array, " n"]) -> Float[Array, " n"]:
        """dm_w/dτ as a function of m_w alone, by the invariant: what `theory.atlas.classify.classify_speed` takes."""
        positive = self.positive_confidence
        clock = margin + np.exp(positive) * np.expm1(np.minimum(margin, 600.0))
        return np.asarray(np.exp(log_sigmoid(-positive - margin) - self.log_slowness(clock)))

    def _edges(self, clock: Array) -> tuple[Array, Array]:
        """Steps of ¼, further out of 1/(4β) over the last 80/β alone: before these, less than e^(−80) of τ is spent."""
        turn, step = np.exp(self.confidence) + 60, 0.25 / max(self.beta, 1.0)
        near = np.arange(0.0, turn, step)
        last = [np.arange(max(y - 80 / self.beta, 0.0), y, step / min(self.beta, 1.0)) for y in clock]
        edges = np.unique(np.concatenate([near[near < clock[-1]], clock, *last]))
        return edges, np.searchsorted(edges, clock)

    def forget(self) -> Growth:
        """m = (1/β) log(2βτ) + log(1 + e^c) + log π_w,ref: that of NPO, less what the positive answer can rise."""
        m0, room = softplus(np.array(self.confidence)), log_sigmoid(np.array(self.positive_confidence))
        return logarithmic(1 / self.beta, float(np.log(2 * self.beta) / self.beta + m0 + room))

    def positive(self) -> Growth:
        """m_w = log log τ − log β − c_w."""
        return Growth("log-log", 1.0, -float(np.log(self.beta)) - self.positive_confidence)
