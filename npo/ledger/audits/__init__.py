"""Claims on models that are audited and attacked, and on what the metrics of an audit are worth."""

from npo.ledger.audits import authors, battery, metaevaluation, smollm2
from npo.ledger.judging.claim import Claim

CLAIMS: tuple[Claim, ...] = metaevaluation.CLAIMS + authors.CLAIMS + smollm2.CLAIMS + battery.CLAIMS
