"""Every formula once more as a slow loop that a reader can verify by eye: for tests and notebooks only.

Plain Python floats, one example at a time, in the order in which the paper writes things. Nothing is rearranged for
speed; log(1 + e^x) alone is written so that it does not overflow.
"""

import math
from collections.abc import Sequence

__all__ = [
    "altpo",
    "ap",
    "bernoulli_kl",
    "ce_u",
    "collective_clock_rate",
    "d2o",
    "door",
    "dpo",
    "flat_js",
    "flat_kl",
    "flat_pearson",
    "flat_tv",
    "ga",
    "ga_fkl",
    "ga_margin_step",
    "idk",
    "ihl",
    "kl",
    "kto",
    "kto_sigmoid",
    "me",
    "nll",
    "npo",
    "npo_margin_step",
    "npo_weight",
    "pdu",
    "rkld",
    "rmu",
    "rmu_retain",
    "satimp",
    "sequence_logp",
    "sigmoid",
    "simnpo",
    "tnpo",
    "undial",
    "wga",
    "wtnpo",
]

Vector = Sequence[float]
Matrix = Sequence[Sequence[float]]


def log1p_exp(x: float) -> float:
    """log(1 + e^x) = max(x, 0) + log(1 + e^{−|x|}).

    >>> log1p_exp(0.0) == math.log(2)
    True
    """
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x: float) -> float:
    """σ(x) = 1/(1 + e^{−x}), as e^x/(1 + e^x) for negative x.

    >>> sigmoid(0.0)
    0.5
    """
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


# --- kernels (arXiv:2404.05868, Eq. 1 to 3 and App. E.1) ------------------------------------------------------------


def ga(logp: float) -> float:
    """log π_θ(y|x)."""
    return logp


def nll(logp: float) -> float:
    """−log π_θ(y|x)."""
    return -logp


def idk(logp_win: float) -> float:
    """−log π_θ(y⁺|x)."""
    return -logp_win


def npo(logp: float, ref_logp: float, *, beta: float) -> float:
    """(2/β) log(1 + (π_θ/π_ref)^β)."""
    return 2 / beta * log1p_exp(beta * (logp - ref_logp))


def npo_weight(logp: float, ref_logp: float, *, beta: float) -> float:
    """2π_θ^β / (π_θ^β + π_ref^β)."""
    return 2 * sigmoid(beta * (logp - ref_logp))


def dpo(logp_win: float, ref_logp_win: float, logp_lose: float, ref_logp_lose: float, *, beta: float) -> float:
    """−(2/β) log σ(β log(π_θ(y⁺)/π_ref(y⁺)) − β log(π_θ(y)/π_ref(y)))."""
    gap = beta * (logp_win - ref_logp_win) - beta * (logp_lose - ref_logp_lose)
    return 2 / beta * log1p_exp(-gap)


def kto(logp: float, ref_logp: float, z_ref: float, *, beta: float) -> float:
    """−(2/β) log σ(z_ref − β log(π_θ/π_ref))."""
    return 2 / beta * log1p_exp(beta * (logp - ref_logp) - z_ref)


# --- kernels of other papers, whose sources `theory.losses` names -----------------------------------------------------


def altpo(
    logp_alternate: float, ref_logp_alternate: float, logp_lose: float, ref_logp_lose: float, *, beta: float
) -> float:
    """DPO with the alternative answer in the place of y⁺."""
    return dpo(logp_alternate, ref_logp_alternate, logp_lose, ref_logp_lose, beta=beta)


def simnpo(logp: float, count: int, *, beta: float, gamma: float) -> float:
    """−(2/β) log σ(−(β/n) log π_θ − γ)."""
    return 2 / beta * log1p_exp(beta / count * logp + gamma)


def wga(token_logp: float, *, beta: float) -> float:
    """p^β log p."""
    return math.exp(beta * token_logp) * token_logp


def tnpo(token_logp: float, ref_token_logp: float, *, beta: float) -> float:
    """2p^β / (p^β + p_ref^β + 10⁻⁵) · log p."""
    own, ref = math.exp(beta * token_logp), math.exp(beta * ref_token_logp)
    return 2 * own / (own + ref + 1e-5) * token_logp


def satimp(token_logp: float, *, beta1: float, beta2: float) -> float:
    """p^β₁ (1 − p)^β₂ log p."""
    return math.exp(beta1 * token_logp) * (-math.expm1(token_logp)) ** beta2 * token_logp


def ce_u(token_logp: float, position: int = 0) -> float:
    """−log(1 − p) of a token that counts, with 1 − p at least half of the float's epsilon."""
    return -math.log(max(-math.expm1(token_logp), 2.0**-53))


def undial(logits: Vector, ref_logits: Vector, label: int, *, beta: float) -> float:
    """−Σ_v q_v log p_v, q the softmax of the reference's logits with β less at the label."""
    lowered = [z - beta * (v == label) for v, z in enumerate(ref_logits)]
    return -sum(math.exp(q) * p for q, p in zip(_log_softmax(lowered), _log_softmax(logits), strict=True))


def rmu(hidden: Vector, *, direction: Vector, c: float) -> float:
    """Σ_i (h_i − c u_i)²."""
    return sum((h - c * u) ** 2 for h, u in zip(hidden, direction, strict=True))


def rmu_retain(hidden: Vector, ref_hidden: Vector) -> float:
    """Σ_i (h_i − h_ref,i)²."""
    return sum((a - b) ** 2 for a, b in zip(hidden, ref_hidden, strict=True))


def wtnpo(token_logp: float, ref_token_logp: float, *, beta: float, alpha: float) -> float:
    """p^α · 2p^β / (p^β + p_ref^β + 10⁻⁵) · log p."""
    return math.exp(alpha * token_logp) * tnpo(token_logp, ref_token_logp, beta=beta)


def ihl(logits: Vector, label: int) -> float:
    """1 + p_y − max_{v≠y} p_v, clamped at 0."""
    p = [math.exp(x) for x in _log_softmax(logits)]
    return max(0.0, 1 + p[label] - max(x for v, x in enumerate(p) if v != label))


def flat_tv(mean_prob_win: float, mean_prob: float) -> float:
    """−½ tanh P⁺ + ½ tanh P."""
    return -math.tanh(mean_prob_win) / 2 + math.tanh(mean_prob) / 2


def flat_kl(mean_prob_win: float, mean_prob: float) -> float:
    """−P⁺ + e^(P−1)."""
    return -mean_prob_win + math.exp(mean_prob - 1)


def flat_js(mean_prob_win: float, mean_prob: float) -> float:
    """−(log 2 − log(1 + e^−P⁺)) + f*(log 2 − log(1 + e^−P)), f*(t) = −log(2 − e^t)."""
    g = math.log(2) - log1p_exp(-mean_prob)
    return -(math.log(2) - log1p_exp(-mean_prob_win)) - math.log(2 - math.exp(g))


def flat_pearson(mean_prob_win: float, mean_prob: float) -> float:
    """−P⁺ + P²/4 + P."""
    return -mean_prob_win + mean_prob**2 / 4 + mean_prob


def d2o(
    logp_alternate: float,
    ref_logp_alternate: float,
    logp_lose: float,
    ref_logp_lose: float,
    *,
    alpha: float,
    beta: float,
) -> float:
    """−log σ(β log(π_θ(y⁺)/π_ref(y⁺)) − α log(π_θ(y)/π_ref(y)))."""
    return log1p_exp(alpha * (logp_lose - ref_logp_lose) - beta * (logp_alternate - ref_logp_alternate))


def door(logp_win_after: float, logp: float, ref_logp: float, *, beta: float) -> float:
    """−log π_θ(y⁺|x, y_<k) + NPO."""
    return -logp_win_after + npo(logp, ref_logp, beta=beta)


def ap(logp: float, logp_win: float, *, beta: float) -> float:
    """−(1/β) log σ(β(log π_θ(y|x) − log π_θ(y⁺|x)))."""
    return log1p_exp(beta * (logp_win - logp)) / beta


def me(logits: Vector) -> float:
    """Σ_v (1/V) (log(1/V) − log(p_v + 10⁻¹²))."""
    uniform = 1 / len(logits)
    return sum(uniform * (math.log(uniform) - math.log(math.exp(x) + 1e-12)) for x in _log_softmax(logits))


def pdu(logits: Vector) -> float:
    """(max_v z_v − (1/V) Σ_v z_v)²."""
    return (max(logits) - sum(logits) / len(logits)) ** 2


def rkld(logits: Vector, ref_logits: Vector, reinforced_logits: Vector, *, alpha: float) -> float:
    """Σ_v p_v (log p_v − log t_v), t the softmax of z_ref − α max(0, z_aug − z_ref)."""
    teacher = [z - alpha * max(0.0, more - z) for z, more in zip(ref_logits, reinforced_logits, strict=True)]
    own, other = _log_softmax(logits), _log_softmax(teacher)
    return sum(math.exp(a) * (a - b) for a, b in zip(own, other, strict=True))


def kto_sigmoid(logp: float, ref_logp: float, z_ref: float, *, beta: float) -> float:
    """1 − (2/β) σ(z_ref − β log(π_θ/π_ref))."""
    return 1 - 2 / beta * sigmoid(z_ref - beta * (logp - ref_logp))


def ga_fkl(logits: Vector, ref_logits: Vector, label: int, *, strength: float) -> float:
    """log p_y + k KL(π_ref ‖ π_θ)."""
    return _log_softmax(logits)[label] + strength * kl(ref_logits, logits)


# --- log-probabilities and divergences ------------------------------------------------------------------------------


def _log_softmax(logits: Vector) -> list[float]:
    top = max(logits)
    log_normaliser = top + math.log(sum(math.exp(z - top) for z in logits))
    return [z - log_normaliser for z in logits]


def sequence_logp(logits: Matrix, labels: Sequence[int | None]) -> tuple[float, int]:
    """Σ_t log softmax(logits[t])[labels[t+1]] over the labels that are part of the answer (not None), and how many.

    >>> sequence_logp([[0.0, 0.0], [0.0, 0.0]], [None, 1])
    (-0.6931471805599453, 1)
    """
    total, count = 0.0, 0
    for t in range(len(labels) - 1):
        label = labels[t + 1]
        if label is not None:
            total += _log_softmax(logits[t])[label]
            count += 1
    return total, count


def kl(ref_logits: Vector, logits: Vector) -> float:
    """Σ_v p_ref(v) (log p_ref(v) − log p(v))."""
    ref, own = _log_softmax(ref_logits), _log_softmax(logits)
    return sum(math.exp(a) * (a - b) for a, b in zip(ref, own, strict=True) if math.exp(a) > 0)


def bernoulli_kl(logit_p: float, logit_q: float) -> float:
    """KL(Bern(σ(a)) ‖ Bern(σ(b))), as the KL of the two classes."""
    return kl([0.0, logit_p], [0.0, logit_q])


# --- dynamics -------------------------------------------------------------------------------------------------------


def _drop(m: float, c: float) -> float:
    """u = log π_ref − log π_θ with π_ref = σ(c), π_θ = σ(c − m)."""
    return log1p_exp(m - c) - log1p_exp(-c)


def _margin_step(m: Vector, A: Matrix, c: Vector, eta0: float, weights: Vector) -> list[float]:
    moved = []
    for i in range(len(m)):
        push = sum(A[i][j] * weights[j] * sigmoid(m[j] - c[j]) for j in range(len(m)))
        moved.append(m[i] + eta0 * push)
    return moved


def ga_margin_step(m: Vector, A: Matrix, c: Vector, eta0: float) -> list[float]:
    """m_i + η₀ Σ_j A_ij σ(m_j − c_j)."""
    return _margin_step(m, A, c, eta0, [1.0] * len(m))


def npo_margin_step(m: Vector, A: Matrix, c: Vector, eta0: float, *, beta: float) -> list[float]:
    """m_i + η₀ Σ_j A_ij W_j σ(m_j − c_j), W_j = 2σ(−β u_j)."""
    weights = [2 * sigmoid(-beta * _drop(m_j, c_j)) for m_j, c_j in zip(m, c, strict=True)]
    return _margin_step(m, A, c, eta0, weights)


def collective_clock_rate(jacobian: Matrix) -> list[float]:
    """dT_i/d(ηt) = (1/n) Σ_j ⟨∇log π_i, ∇log π_j⟩, from the rows ∇log π_i."""
    n = len(jacobian)
    return [sum(sum(a * b for a, b in zip(gi, gj, strict=True)) for gj in jacobian) / n for gi in jacobian]
