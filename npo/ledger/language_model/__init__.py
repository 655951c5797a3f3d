"""Claims on language models that unlearn rows of TOFU: from scratch, and SmolLM2-135M."""

from npo.ledger.judging.claim import Claim
from npo.ledger.language_model import few_authors, other_papers, smollm2, tofu_answers, tofu_scratch

CLAIMS: tuple[Claim, ...] = (
    few_authors.CLAIMS + tofu_scratch.CLAIMS + tofu_answers.CLAIMS + other_papers.CLAIMS + smollm2.CLAIMS
)
