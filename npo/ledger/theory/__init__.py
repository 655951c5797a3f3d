"""Claims on the theorems, on built instances, and on optimisers in the scalar model."""

from npo.ledger.judging.claim import Claim
from npo.ledger.theory import optimisers, theorems

CLAIMS: tuple[Claim, ...] = theorems.CLAIMS + optimisers.CLAIMS
