"""The ledger: each claim is a sentence with a function that reads saved results and says whether it holds here.

A claim may fail; the ledger is worth something only because its verdicts can say so.
"""

from npo.ledger import (
    audited,
    audited_smollm2,
    beta_adam,
    beta_law,
    chosen_beta,
    field_logistic,
    field_tofu,
    field_transformer,
    llm,
    logistic,
    logistic_divergence,
    logistic_law,
    loss_times,
    metaevaluation,
    optimisers,
    practice,
    recovery,
    recovery_part,
    rounding,
    smollm2,
    theory,
    tofu_answers,
    tofu_scratch,
    transformer,
    transformer_collapse,
    transformer_language,
    transformer_optimisers,
    wanted_drop,
)
from npo.ledger.claim import Claim, Entry, Judgement, Results, enter

__all__ = ["CLAIMS", "Claim", "Entry", "Judgement", "Results", "enter"]

CLAIMS: tuple[Claim, ...] = (
    theory.CLAIMS
    + logistic.CLAIMS
    + logistic_divergence.CLAIMS
    + logistic_law.CLAIMS
    + field_logistic.CLAIMS
    + transformer.CLAIMS
    + transformer_collapse.CLAIMS
    + transformer_optimisers.CLAIMS
    + transformer_language.CLAIMS
    + field_transformer.CLAIMS
    + loss_times.CLAIMS
    + optimisers.CLAIMS
    + chosen_beta.CLAIMS
    + llm.CLAIMS
    + beta_law.CLAIMS
    + beta_adam.CLAIMS
    + wanted_drop.CLAIMS
    + metaevaluation.CLAIMS
    + practice.CLAIMS
    + recovery_part.CLAIMS
    + recovery.CLAIMS
    + rounding.CLAIMS
    + tofu_scratch.CLAIMS
    + tofu_answers.CLAIMS
    + field_tofu.CLAIMS
    + smollm2.CLAIMS
    + audited.CLAIMS
    + audited_smollm2.CLAIMS
)
