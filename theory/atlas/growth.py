"""How a margin grows for τ → ∞: one of six classes with its constants, a value that predicts and prints itself."""

from dataclasses import dataclass
from math import log
from typing import Literal

import numpy as np
from jaxtyping import Float

__all__ = ["KINDS", "Growth", "Kind", "finite", "from_tail", "linear", "logarithmic", "power"]

Array = np.ndarray
Kind = Literal["linear", "power", "square root", "logarithmic", "log-log", "finite", "exponential", "blow-up"]

KINDS: tuple[Kind, ...] = ("linear", "power", "square root", "logarithmic", "log-log", "finite")
"""The six classes of the atlas; "exponential" and "blow-up" are faster than linear, and no published loss is there."""


@dataclass(frozen=True)
class Growth:
    """The leading law of a margin with its constant.

        linear         a τ + b                      logarithmic   a log τ + b
        power          (a τ)^p, p ≠ ½, 1            log-log       a log log τ + b
        square root    (a τ)^½                      finite        b, approached like e^(−aτ)

    a = `coefficient`, b = `constant`, p = `exponent`. Outside these, exponential: e^(aτ) up to a factor, and blow-up:
    infinite at τ = b. A margin that falls has the sign −1, and the law is that of −m.
    """

    kind: Kind
    coefficient: float
    constant: float = 0.0
    exponent: float = 1.0
    sign: int = 1

    def __call__(self, tau: Float[Array, "*n"] | float) -> Float[Array, "*n"]:
        """m(τ) by the leading law.

        >>> float(from_tail(k=0.5, amplitude=2.0, c=1.0)(np.array(1e6)).round(6))
        28.631021
        """
        t, a, b = np.asarray(tau, dtype=np.float64), self.coefficient, self.constant
        laws = {
            "linear": lambda: a * t + b,
            "power": lambda: (a * t) ** self.exponent,
            "square root": lambda: np.sqrt(a * t),
            "logarithmic": lambda: a * np.log(t) + b,
            "log-log": lambda: a * np.log(np.log(t)) + b,
            "finite": lambda: np.full_like(t, b),
            "exponential": lambda: np.exp(a * t),
            "blow-up": lambda: np.where(t < b, np.nan, np.inf),
        }
        return np.asarray(self.sign * laws[self.kind]())

    def __str__(self) -> str:
        """The law as a formula.

        >>> print(linear(1.0, -7.389), logarithmic(10.0, 18.2), power(1.5, 2 / 3), finite(10.0, 3.4e-4), sep="; ")
        m = τ − 7.389; m = 10 log τ + 18.2; m = (1.5 τ)^0.666667; m → 10, like e^(−0.00034 τ)
        """
        a, b = _number(self.coefficient), self.constant
        rest = f" {'−' if b < 0 else '+'} {_number(abs(b))}" if b else ""
        front = "" if a == "1" else f"{a} "
        laws = {
            "linear": f"= {front}τ{rest}",
            "power": f"= ({front}τ)^{_number(self.exponent)}",
            "square root": f"= √({front}τ)",
            "logarithmic": f"= {front}log τ{rest}",
            "log-log": f"= {front}log log τ{rest}",
            "finite": f"→ {_number(self.sign * b)}, like e^(−{front}τ)" if a != "0" else f"→ {_number(self.sign * b)}",
            "exponential": f"~ e^({front}τ)",
            "blow-up": f"→ ∞ at τ = {_number(b)}",
        }
        return f"{'−' if self.sign < 0 and self.kind != 'finite' else ''}m {laws[self.kind]}"


def _number(x: float) -> str:
    return f"{x:.6g}".replace("-", "−")


def linear(slope: float, constant: float = 0.0) -> Growth:
    """m = slope · τ + constant: the speed tends to a positive number."""
    return Growth("linear", slope, constant)


def power(coefficient: float, exponent: float) -> Growth:
    """m = (coefficient · τ)^exponent; the square root is a class of its own.

    >>> power(2.0, 0.5).kind
    'square root'
    """
    return Growth("square root" if exponent == 0.5 else "power", coefficient, exponent=exponent)


def logarithmic(coefficient: float, constant: float) -> Growth:
    """m = coefficient · log τ + constant."""
    return Growth("logarithmic", coefficient, constant)


def from_tail(*, k: float, amplitude: float, c: float) -> Growth:
    """The master rule: V ~ A e^(−k(m − c)) has m = (1/k) log(kAτ) + c, and a loss gap 1/(k²τ) whatever A and c."""
    return logarithmic(1 / k, log(k * amplitude) / k + c)


def finite(limit: float, rate: float) -> Growth:
    """m → limit, a zero of V with slope −rate there."""
    return Growth("finite", rate, abs(limit), sign=-1 if limit < 0 else 1)
