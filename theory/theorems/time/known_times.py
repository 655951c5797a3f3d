"""Which kernel has which closed time: the one table between the losses and the formulas of their laws."""

from collections.abc import Callable, Mapping
from functools import partial

from theory import losses
from theory.kernel import Kernel
from theory.theorems.time.closed_times import (
    ClosedTime,
    ce_u_time,
    ga_time,
    kto_time,
    npo_time,
    paired_time,
    satimp_time,
    simnpo_time,
    tnpo_time,
    wga_time,
)
from theory.theorems.time.drop_weights import ForgetAnswer
from theory.theorems.time.family_times import d2o_time, flat_time, ihl_time, kto_sigmoid_time, wtnpo_time

__all__ = ["CLOSED", "closed_time"]

CLOSED: Mapping[Callable[..., object], Callable[..., ClosedTime | None]] = {
    losses.ga: ga_time,
    losses.npo: npo_time,
    losses.door: npo_time,  # the refusal after a beginning is held still
    losses.kto: kto_time,
    losses.kto_sigmoid: kto_sigmoid_time,
    losses.dpo: paired_time("logp_win"),
    losses.altpo: paired_time("logp_alternate"),
    losses.d2o: d2o_time,
    losses.simnpo: simnpo_time,
    losses.wga: wga_time,
    losses.tnpo: tnpo_time,
    losses.wtnpo: wtnpo_time,
    losses.ce_u: ce_u_time,
    losses.satimp: satimp_time,
    losses.ihl: ihl_time,
    losses.flat_tv: partial(flat_time, divergence="TV"),
    losses.flat_kl: partial(flat_time, divergence="KL"),
    losses.flat_js: partial(flat_time, divergence="JS"),
    losses.flat_pearson: partial(flat_time, divergence="Pearson"),
}
"""The kernels whose time is known in closed form, each with what makes it from the answer and the hyperparameters."""


def closed_time(kernel: Kernel, answer: ForgetAnswer) -> ClosedTime | None:
    """The formula of a kernel with its hyperparameters bound; None where none is known.

    >>> closed_time(partial(losses.npo, beta=1.0), ForgetAnswer(-1.0)).formula
    'T = ½(u + (e^{βu} − 1)/β)'
    """
    plain, bound = (kernel.func, kernel.keywords) if isinstance(kernel, partial) else (kernel, {})
    found = CLOSED.get(plain)
    return found(answer, **bound) if found else None
