"""The ledger: each claim is a sentence with a function that reads saved results and says whether it holds here.

A claim may fail; the ledger is worth something only because its verdicts can say so.
"""

from npo.ledger import audits, beta, every_loss, language_model, logistic, recovery, theory, transformer
from npo.ledger.judging.claim import Claim, Entry, Judgement, Results, enter

__all__ = ["CLAIMS", "Claim", "Entry", "Judgement", "Results", "enter"]

CLAIMS: tuple[Claim, ...] = (
    theory.CLAIMS
    + logistic.CLAIMS
    + transformer.CLAIMS
    + language_model.CLAIMS
    + every_loss.CLAIMS
    + beta.CLAIMS
    + recovery.CLAIMS
    + audits.CLAIMS
)
