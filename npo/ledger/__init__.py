"""The ledger: each claim is a sentence with a function that reads saved results and says whether it holds here.

A claim may fail; the ledger is worth something only because its verdicts can say so.
"""

from npo.ledger import llm, logistic, logistic_law, smollm2, theory, transformer, transformer_practice
from npo.ledger.claim import Claim, Entry, Judgement, Results, enter

__all__ = ["CLAIMS", "Claim", "Entry", "Judgement", "Results", "enter"]

CLAIMS: tuple[Claim, ...] = (
    theory.CLAIMS
    + logistic.CLAIMS
    + logistic_law.CLAIMS
    + transformer.CLAIMS
    + transformer_practice.CLAIMS
    + llm.CLAIMS
    + smollm2.CLAIMS
)
