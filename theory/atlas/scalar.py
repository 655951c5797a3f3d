"""Any kernel in the scalar model: one example, one answer token, two classes, one logit.

The forget answer has probability π = σ(c − m), m the forgetting margin and c the confidence of the reference. Gradient
flow of the loss L in the logit s = c − m, in the time τ = η‖x‖²t, is

    dm/dτ = V(m) = dL/ds,    V = w σ(m − c)  where L is a function of log π alone, w = dL/d log π.

Orthogonal examples each follow it. With K free logits, a loss of p_y alone has the same V up to a factor in (1, 2].
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from theory.kernel import Kernel, gather, gradient_weights, missing, unknown_quantities

__all__ = ["REINFORCED", "ScalarLoss", "ZRef", "scene", "slopes"]

Array = np.ndarray
ZRef = Callable[[Tensor, Tensor], Tensor]

REINFORCED = 1.0
"""By how many logits the reinforced model of the scalar model is surer of the forget answer than the reference."""


def scene(logit: Float[Tensor, " n"], confidence: float) -> dict[str, Tensor]:
    """Every quantity of n answers of one token with these logits s; the positive answer is the other class.

    logits (s, 0); hidden state −s, so that the direction of RMU is that of forgetting; a reinforced model at
    s = c + `REINFORCED`. Positive answers have probability 1 − π, also after a beginning of the forget answer.
    """
    c, zero = torch.full_like(logit, confidence), torch.zeros_like(logit)
    found: dict[str, Tensor] = {}
    for prefix, s in (("", logit), ("ref_", c)):
        here, other = logsigmoid(s), logsigmoid(-s)
        found |= {f"{prefix}{name}": here for name in ("logp", "token_logp")}
        found |= {f"{prefix}{name}": other for name in ("logp_win", "logp_alternate", "logp_win_after")}
        found |= {f"{prefix}mean_prob": here.exp(), f"{prefix}mean_prob_win": other.exp()}
        found |= {f"{prefix}logits": torch.stack([s, zero], -1), f"{prefix}hidden": -s[:, None]}
    index = torch.arange(len(logit))
    found |= dict.fromkeys(("count", "count_win", "count_alternate", "count_win_after"), 0 * index + 1)
    found |= {"example": index, "position": 0 * index, "labels": 0 * index}
    return found | {"reinforced_logits": torch.stack([c + REINFORCED, zero], -1)}


def slopes(logit: Float[Tensor, " n"]) -> dict[str, Tensor]:
    """d quantity / ds of all that moves in a `scene`; of logits and hidden states along their last axis."""
    here, other = torch.sigmoid(-logit), -torch.sigmoid(logit)  # 1 − π and −π, without cancellation
    zero, one = torch.zeros_like(logit), torch.ones_like(logit)
    found = dict.fromkeys(("logp", "token_logp"), here)
    found |= dict.fromkeys(("logp_win", "logp_alternate", "logp_win_after"), other)
    found |= {"mean_prob": -here * other, "mean_prob_win": here * other}
    return found | {"logits": torch.stack([one, zero], -1), "hidden": -one[:, None]}


@dataclass(frozen=True)
class ScalarLoss:
    """A loss of the scalar model, made from any kernel whose hyperparameters are bound, one's own included.

    `confidence` is c = log π_ref/(1 − π_ref). `z_ref` is the reference point of kernels that take one, from the
    logits and c. ValueError where the kernel takes what is no quantity, or what the scalar model does not have.

    >>> from functools import partial
    >>> from theory.losses import npo
    >>> loss = ScalarLoss("NPO", partial(npo, beta=0.1), confidence=2.0)
    >>> [float(v) for v in loss.speed(np.array([0.0, 100.0])).round(7)]  # σ(−2) at the reference, e^(−βu) far away
    [0.1192029, 0.0001123]
    """

    name: str
    kernel: Kernel
    confidence: float = 2.0
    z_ref: ZRef | None = None

    def __post_init__(self) -> None:
        """ValueError as said above."""
        here = set(scene(torch.zeros(1), 0.0)) | ({"z_ref"} if self.z_ref else set())
        if said := unknown_quantities(self.kernel) or missing(self.kernel, here, "the scalar model"):
            raise ValueError(said)

    def speed(self, margin: Float[Array, " n"]) -> Float[Array, " n"]:
        """V(m) = dL/ds at the logit s = c − m, in float64."""
        logit = self._logit(margin)
        rates, total = slopes(logit), torch.zeros_like(logit)
        for name, weight in gradient_weights(self.kernel, self._scene(logit)).items():
            product = weight.detach() * rates[name]
            total = total + (product.sum(-1) if product.dim() > 1 else product)
        return np.asarray(total.numpy())

    def value(self, margin: Float[Array, " n"]) -> Float[Array, " n"]:
        """L(m) as the kernel says it; a kernel with a stop-gradient does not descend it."""
        with torch.no_grad():
            return np.asarray(self.kernel(**gather(self.kernel, self._scene(self._logit(margin)))).numpy())

    def _logit(self, margin: Array) -> Tensor:
        return self.confidence - torch.from_numpy(np.atleast_1d(np.asarray(margin, dtype=np.float64)))

    def _scene(self, logit: Tensor) -> dict[str, Tensor]:
        found = scene(logit, self.confidence)
        if self.z_ref is not None:
            found["z_ref"] = self.z_ref(logit, torch.full_like(logit, self.confidence))  # each answer has its own
        return found
