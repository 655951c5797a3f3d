"""The loss kernels of unlearning and their closed gradients, one file a family.

A kernel takes quantities by the names of `theory.kernel.QUANTITIES` and keyword-only hyperparameters, and returns one
value an example, to be minimised, or one value an answer token where it takes quantities of tokens, logits or hidden
states. It knows no model, no batch and no reduction (`theory.objective` has those).

    log π_θ(y|x)      `logp`            of the forget answer (`logp_lose` where it is paired with another)
    log π_ref(y|x)    `ref_logp`        the same under the frozen reference
    log π_θ(y⁺|x)     `logp_win`        of the positive answer ("I don't know"; `logp_alternate`: an in-domain one)
    log p_t           `token_logp`      of one token of the forget answer, p_t its probability
    R                 logp − ref_logp   the log-ratio; u = −R is the drop in nats

Beside each kernel stands its gradient weight, d loss / d logp, by the name `<kernel>_weight`: descent lowers
a log-probability where its weight is positive; of logits and hidden states it is `<kernel>_gradient`. The theory, the
closed-form engine and the figures live on these. A kernel of your own follows the same rules and may leave the weight
out; then autograd supplies it. A log-probability is the sum over an answer's tokens, and `count` says how many.

Half-precision inputs are answered in float32, float32 and float64 are kept. NaN in, NaN out.
"""

from theory.losses.distillation import ga_fkl, ga_fkl_gradient, rkld, rkld_gradient, undial, undial_gradient
from theory.losses.f_divergences import (
    flat_js,
    flat_js_weight,
    flat_kl,
    flat_kl_weight,
    flat_pearson,
    flat_pearson_weight,
    flat_tv,
    flat_tv_weight,
)
from theory.losses.flatness import me, me_gradient, pdu, pdu_gradient
from theory.losses.hinges import ihl, ihl_gradient
from theory.losses.kto_code import kto_sigmoid, kto_sigmoid_weight
from theory.losses.lengths import simnpo, simnpo_weight
from theory.losses.paper import ga, ga_weight, idk, idk_weight, nll, nll_weight, npo, npo_weight
from theory.losses.positive_side import ap, ap_weight, d2o, d2o_weight, door, door_weight
from theory.losses.preferences import altpo, altpo_weight, dpo, dpo_weight, kto, kto_weight
from theory.losses.representations import rmu, rmu_gradient, rmu_retain, rmu_retain_gradient
from theory.losses.token_weights import (
    ce_u,
    ce_u_weight,
    satimp,
    satimp_weight,
    tnpo,
    tnpo_weight,
    wga,
    wga_weight,
    wtnpo,
    wtnpo_weight,
)

__all__ = [
    "altpo",
    "altpo_weight",
    "ap",
    "ap_weight",
    "ce_u",
    "ce_u_weight",
    "d2o",
    "d2o_weight",
    "door",
    "door_weight",
    "dpo",
    "dpo_weight",
    "flat_js",
    "flat_js_weight",
    "flat_kl",
    "flat_kl_weight",
    "flat_pearson",
    "flat_pearson_weight",
    "flat_tv",
    "flat_tv_weight",
    "ga",
    "ga_fkl",
    "ga_fkl_gradient",
    "ga_weight",
    "idk",
    "idk_weight",
    "ihl",
    "ihl_gradient",
    "kto",
    "kto_sigmoid",
    "kto_sigmoid_weight",
    "kto_weight",
    "me",
    "me_gradient",
    "nll",
    "nll_weight",
    "npo",
    "npo_weight",
    "pdu",
    "pdu_gradient",
    "rkld",
    "rkld_gradient",
    "rmu",
    "rmu_gradient",
    "rmu_retain",
    "rmu_retain_gradient",
    "satimp",
    "satimp_weight",
    "simnpo",
    "simnpo_weight",
    "tnpo",
    "tnpo_weight",
    "undial",
    "undial_gradient",
    "wga",
    "wga_weight",
    "wtnpo",
    "wtnpo_weight",
]
