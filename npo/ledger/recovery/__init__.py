"""Claims on what was unlearned and comes back: relearnt whole, in part, in language models, rounded away."""

from npo.ledger.judging.claim import Claim
from npo.ledger.recovery import language_models, part, rounding, whole

CLAIMS: tuple[Claim, ...] = part.CLAIMS + whole.CLAIMS + language_models.CLAIMS + rounding.CLAIMS
