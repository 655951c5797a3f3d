"""Claims on what was unlearned and comes back: relearnt whole, relearnt in part, rounded away."""

from npo.ledger.judging.claim import Claim
from npo.ledger.recovery import part, rounding, whole

CLAIMS: tuple[Claim, ...] = part.CLAIMS + whole.CLAIMS + rounding.CLAIMS
