"""ROUGE recall of an answer against the true one, in whatever script it is written.

Texts that TOFU asks are cut as in TOFU, by the library rouge-score: runs of a–z and 0–9, lower case, stemmed. Any other
letter is a gap to it ("Vásquez" is "v", "squez"), so that identical Chinese answers would score 0, and two Russian ones
1 if they share a year. Where the true answer has letters or digits of another script than Latin, or more than
`scale.data.words.ACCENTED` of its letters are Latin ones beyond a–z (Vietnamese), both texts are cut by Unicode words
instead. A true answer without any letter or digit has recall 0.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from scale.data.words import by_unicode_words, latin_words, unicode_words

__all__ = ["Rouge", "rouge", "rouge1", "rouge1_latin", "rouge_latin", "rouge_recall", "said_of"]


class Rouge(NamedTuple):
    """ROUGE-1 and ROUGE-L recall."""

    rouge1: float
    rougeL: float  # noqa: N815


class _UnicodeWords:
    """The form in which rouge-score wants `unicode_words`."""

    @staticmethod
    def tokenize(text: str) -> list[str]:
        return unicode_words(text)


@lru_cache(maxsize=2)
def _scorer(unicode: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rougeL"], tokenizer=_UnicodeWords if unicode else latin_words())


@lru_cache(maxsize=64)
def rouge_recall(truth: str, generated: str) -> Rouge:
    """Recall of ROUGE-1 and ROUGE-L with a stemmer, by the library rouge-score.

    >>> rouge_recall("the cat sat", "the cat ran")
    Rouge(rouge1=0.6666666666666666, rougeL=0.6666666666666666)
    """
    found = _scorer(by_unicode_words(truth)).score(truth, generated)
    return Rouge(float(found["rouge1"].recall), float(found["rougeL"].recall))


def rouge(truth: str, text: str) -> float:
    """ROUGE-L recall of a generated answer: the share of the true one's words that it has in their order."""
    return rouge_recall(truth, text).rougeL


def rouge1(truth: str, text: str) -> float:
    """ROUGE-1 recall of a generated answer: the share of the true one's words that it has at all."""
    return rouge_recall(truth, text).rouge1


def rouge_latin(truth: str, text: str) -> float:
    """`rouge` of a–z and 0–9 alone whatever the script, as open-unlearning has it.

    >>> rouge("Ада", "Ада"), rouge_latin("Ада", "Ада")
    (1.0, 0.0)
    """
    return float(_scorer(False).score(truth, text)["rougeL"].recall)


def rouge1_latin(truth: str, text: str) -> float:
    """`rouge1` of a–z and 0–9 alone whatever the script, as open-unlearning has it."""
    return float(_scorer(False).score(truth, text)["rouge1"].recall)


def said_of(truths: Iterable[str]) -> str | None:
    """What is said of ROUGE beside the results; None where every answer is cut in the usual way.

    >>> said_of(["Ada", "東京"]), said_of(["Ada"])
    ('by Unicode words for 1 of 2 answers', None)
    """
    ways = [by_unicode_words(truth) for truth in truths]
    return f"by Unicode words for {sum(ways)} of {len(ways)} answers" if any(ways) else None
