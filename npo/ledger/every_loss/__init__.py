"""Claims on every loss in all rooms: its own law of intrinsic time, and the atlas's speed against practice."""

from npo.ledger.every_loss import loss_times, practice
from npo.ledger.judging.claim import Claim

CLAIMS: tuple[Claim, ...] = loss_times.CLAIMS + practice.CLAIMS
