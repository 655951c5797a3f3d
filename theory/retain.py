"""Staying close to the reference on the retain set: the Kullback–Leibler divergence and its gradient."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import log_softmax

__all__ = ["kl", "kl_gradient"]


def _log_probs(logits: Tensor) -> Tensor:
    wide = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    return log_softmax(wide, dim=-1)


def kl(ref_logits: Float[Tensor, "*rows classes"], logits: Float[Tensor, "*rows classes"]) -> Float[Tensor, " *rows"]:
    """KL(π_ref ‖ π_θ) of each row, in nats.

    KL = Σ_v p_ref(v) (log p_ref(v) − log p(v)).  A row is one position of a language model, or one example of a
    classifier. The direction is that of the published code (arXiv:2404.05868 prints it the other way round).

    >>> kl(torch.zeros(1, 2), torch.zeros(1, 2))
    tensor([0.])
    """
    ref_logp, logp = _log_probs(ref_logits), _log_probs(logits)
    p_ref = ref_logp.exp()
    # 0 · (−∞) is 0 here: a class that the reference rules out costs nothing, whatever the model says.
    return torch.where(p_ref == 0, p_ref, p_ref * (ref_logp - logp)).sum(dim=-1)


def kl_gradient(
    ref_logits: Float[Tensor, "*rows classes"], logits: Float[Tensor, "*rows classes"]
) -> Float[Tensor, "*rows classes"]:
    """∂KL/∂logits = p − p_ref, row by row.

    >>> kl_gradient(torch.zeros(1, 2), torch.zeros(1, 2))
    tensor([[0., 0.]])
    """
    return _log_probs(logits).exp() - _log_probs(ref_logits).exp()
