"""Claims on the rule for β, in the rooms and in language models."""

from npo.ledger.beta import adam, law, rooms, wanted_drop
from npo.ledger.judging.claim import Claim

CLAIMS: tuple[Claim, ...] = rooms.CLAIMS + law.CLAIMS + adam.CLAIMS + wanted_drop.CLAIMS
