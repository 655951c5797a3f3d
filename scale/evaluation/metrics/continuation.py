"""How a model's words compare with what a text or an answer says: MUSE's two kinds of memorisation.

    verbatim     the beginning of a text is given; ROUGE-L F1 of how the model goes on and of how the text does
    knowledge    a question is asked after ten examples; ROUGE-L F1 of the answer, cut where the model asks on

ROUGE-L F1 = 2PR/(P + R), P and R the length of the longest common subsequence of words over the words of the model's
text and of the true one: of runs of a–z and 0–9 in lower case, not stemmed (TOFU's is a recall, and stemmed).
A true text in another script is cut by Unicode words (`scale.evaluation.metrics.rouge`).

Source: Shi et al., arXiv:2407.06460, Sec. 3; open-unlearning's is the same with a stemmer.
"""

from functools import lru_cache
from typing import Any

from scale.data.words import by_unicode_words, unicode_words

__all__ = ["ENDS", "first_answer", "knowmem", "rouge_l_f1", "verbmem"]

ENDS = ("\n\n", "\nQuestion", "Question:")
"""Where a model that was shown examples has ended its answer."""


class _AnyScript:
    """The form in which rouge-score wants `unicode_words`."""

    @staticmethod
    def tokenize(text: str) -> list[str]:
        return unicode_words(text)


@lru_cache(maxsize=2)
def _scorer(unicode: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False, tokenizer=_AnyScript if unicode else None)


def rouge_l_f1(truth: str, text: str) -> float:
    """ROUGE-L F1 without a stemmer, by the library rouge-score; 0 where either text has no word.

    >>> rouge_l_f1("the cat sat", "the cat ran away")
    0.5714285714285715
    """
    return float(_scorer(by_unicode_words(truth)).score(truth, text)["rougeL"].fmeasure)


def first_answer(text: str) -> str:
    """A generated text up to the first place where an answer has ended (`ENDS`).

    >>> first_answer("Ada.\\n\\nQuestion: Who else?")
    'Ada.'
    """
    for end in ENDS:
        text = text.partition(end)[0]
    return text


def verbmem(truth: str, text: str) -> float:
    """Verbatim memorisation: how much of a text comes after its beginning, as ROUGE-L F1.

    >>> verbmem("one two three", "one two three")
    1.0
    """
    return rouge_l_f1(truth, text)


def knowmem(truth: str, text: str) -> float:
    """Knowledge memorisation: the answer to a question, cut where it ends, as ROUGE-L F1.

    >>> knowmem("Ada", "Ada\\n\\nQuestion: Who else?")
    1.0
    """
    return rouge_l_f1(truth, first_answer(text))
