"""Claims on the logistic problem, of the paper and of others."""

from npo.ledger.judging.claim import Claim
from npo.ledger.logistic import divergence, law, other_papers, paper

CLAIMS: tuple[Claim, ...] = paper.CLAIMS + divergence.CLAIMS + law.CLAIMS + other_papers.CLAIMS
