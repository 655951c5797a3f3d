"""How much of unlearning an attack undoes, as the field scores it: R after relearning, Q after quantisation.

`m` is any score that is higher the more is known of the forget set, before and after the attack. Both forms are of one
pair of models; they say nothing of how good unlearning was before.
"""

__all__ = ["LEAST_GAP", "moved_alike", "recovered", "robustness_to_quantisation", "robustness_to_relearning", "unmoved"]

LEAST_GAP = 0.01
"""Of scores between 0 and 1: a way back that is shorter than this is too short to take shares of."""


def recovered(before: float, after: float, finetuned: float) -> float | None:
    """The share of its way back to the finetuned model that an attack makes, (m_after − m_before)/(m_f − m_before).

    None where there is no way back: m_f − m_before is below `LEAST_GAP`, as where the finetuned model knows less.

    >>> recovered(0.0, 0.25, 1.0), recovered(0.5, 0.6, 0.505), recovered(0.9, 0.8, 0.85)
    (0.25, None, None)
    """
    gap = finetuned - before
    return (after - before) / gap if gap >= LEAST_GAP else None


def robustness_to_relearning(retrained: tuple[float, float], unlearned: tuple[float, float]) -> float:
    """R = min(Δ_retrained / Δ_unlearned, 1) with Δ = m_after − m_before; 1 where the unlearned model gains nothing.

    Source: open-unlearning's paper (arXiv:2506.12618), eq. 2. Where the retrained model loses and the unlearned one
    gains it is 0.

    >>> robustness_to_relearning((0.1, 0.2), (0.1, 0.5)), robustness_to_relearning((0.1, 0.3), (0.1, 0.2))
    (0.25, 1.0)
    """
    gain, reference = unlearned[1] - unlearned[0], retrained[1] - retrained[0]
    return 1.0 if gain <= 0 else min(max(reference / gain, 0.0), 1.0)


def robustness_to_quantisation(before: float, after: float) -> float:
    """Q = min(m_before / m_after, 1): below 1 where a coarser grid brings knowledge back; 1 where nothing is known.

    Source: the same, eq. 3. (UDS's script has min(m_after / m_before, 1) in one version, which punishes a model for
    knowing less.)

    >>> robustness_to_quantisation(0.2, 0.4), robustness_to_quantisation(0.2, 0.1)
    (0.5, 1.0)
    """
    return 1.0 if after <= before else max(before, 0.0) / after


def moved_alike(retrained: tuple[float, float], unlearned: tuple[float, float], eps: float = 1e-10) -> float:
    """R = 1 − |Δ_u − Δ_r| / (|Δ_u| + |Δ_r| + ε), the symmetric form: also a model that relearns too little loses.

    >>> moved_alike((0.1, 0.2), (0.1, 0.2)), round(moved_alike((0.0, 0.1), (0.0, 0.3)), 6)
    (1.0, 0.5)
    """
    own, reference = unlearned[1] - unlearned[0], retrained[1] - retrained[0]
    return 1.0 - min(abs(own - reference) / (abs(own) + abs(reference) + eps), 1.0)


def unmoved(before: float, after: float, eps: float = 1e-10) -> float:
    """Q = 1 − |m_after − m_before| / (|m_after| + |m_before| + ε), the symmetric form.

    >>> unmoved(0.4, 0.4), round(unmoved(0.1, 0.3), 6)
    (1.0, 0.5)
    """
    return 1.0 - min(abs(after - before) / (abs(after) + abs(before) + eps), 1.0)
