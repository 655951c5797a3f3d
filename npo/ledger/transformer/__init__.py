"""Claims on the small transformer: the law, collapse, answers, optimisers, and what other papers say."""

from npo.ledger.judging.claim import Claim
from npo.ledger.transformer import collapse, language, law, optimisers, other_papers

CLAIMS: tuple[Claim, ...] = law.CLAIMS + collapse.CLAIMS + optimisers.CLAIMS + language.CLAIMS + other_papers.CLAIMS
