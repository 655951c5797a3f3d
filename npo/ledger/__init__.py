"""The ledger: each claim is a sentence with a function that reads saved results and says whether it holds here.

A claim may fail; the ledger is worth something only because its verdicts can say so.
"""

from npo.ledger import audits, beta, every_loss, language_model
from npo.ledger.judging.claim import Claim, Entry, Judgement, Results, enter
from npo.ledger.logistic import paper as logistic
from npo.ledger.recovery import whole as recovery
from npo.ledger.theory import theorems as theory
from npo.ledger.transformer import law as transformer

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
