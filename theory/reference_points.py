"""The reference point of KTO, estimated from quantities of the forget set."""

from torch import Tensor

__all__ = ["z_ref_as_coded", "z_ref_from_kl", "z_ref_from_positive"]


def z_ref_from_positive(logp_win: Tensor, ref_logp_win: Tensor, *, beta: float) -> Tensor:
    """β · mean log-ratio on the positive answers: the estimate of E[β KL] for language models, before the clamp.

    Source: arXiv:2404.05868, App. E.1.3 (the authors' code leaves out β).
    """
    return beta * (logp_win - ref_logp_win).mean()


def z_ref_as_coded(logp_win: Tensor, ref_logp_win: Tensor) -> Tensor:
    """The mean log-ratio on the positive answers as the authors' code takes it: not times β, and not clamped at 0."""
    return (logp_win - ref_logp_win).mean()


def z_ref_from_kl(kl_to_ref: Tensor, *, beta: float) -> Tensor:
    """β · mean KL(π_θ ‖ π_ref) over the forget inputs, where that KL is exact (arXiv:2404.05868, Sec. 4)."""
    return beta * kl_to_ref.mean()
