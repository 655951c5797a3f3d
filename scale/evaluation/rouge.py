"""ROUGE recall of an answer against the true one, in whatever script it is written.

Texts that TOFU asks are cut as in TOFU, by the library rouge-score: runs of a–z and 0–9, lower case, stemmed. Any other
letter is a gap to it ("Vásquez" is "v", "squez"), so that identical Chinese answers would score 0, and two Russian ones
1 if they share a year. Where the true answer has letters or digits of another script than Latin, or more than
`ACCENTED` of its letters are Latin ones beyond a–z (Vietnamese), both texts are cut by Unicode words instead: runs of
letters, marks and digits in lower case, those of a–z and 0–9 stemmed as ever; single characters where a script sets no
space between words (Han, Kana, Yi, and Thai, Lao, Khmer, Burmese with their like). A true answer without any letter or
digit has recall 0.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import regex

__all__ = ["ACCENTED", "Rouge", "by_unicode_words", "rouge_recall", "said_of", "unicode_words"]

ACCENTED = 0.2
"""TOFU's own answers stay below: 0.15 in "Ngũgĩ wa Thiong'o"."""

_LETTER = regex.compile(r"[\p{L}\p{N}]")
_UNSEEN = regex.compile(r"[[\p{L}\p{N}]--[a-z0-9]]", regex.V1)
_LATIN = regex.compile(r"[\p{Latin}\p{No}]")
_UNSPACED = r"[[\p{Han}\p{scx=Hiragana}\p{scx=Katakana}\p{Yi}\p{Line_Break=SA}]&&[\p{L}\p{N}]]"
_WORD = regex.compile(rf"{_UNSPACED}\p{{M}}*|(?:(?!{_UNSPACED})[\p{{L}}\p{{M}}\p{{N}}])+", regex.V1)
_SEEN = regex.compile(r"[a-z0-9]+")


class Rouge(NamedTuple):
    """ROUGE-1 and ROUGE-L recall."""

    rouge1: float
    rougeL: float  # noqa: N815


def by_unicode_words(truth: str) -> bool:
    """Is an answer to this true one cut by Unicode words, because the usual way would lose too much of it?

    >>> [by_unicode_words(text) for text in ("Gabriel García Márquez", "北京", "в 1897 году", "Bà ấy sinh ở Hà Nội")]
    [False, True, True, True]
    """
    text = unicodedata.normalize("NFC", truth).lower()
    unseen = _UNSEEN.findall(text)
    return not all(map(_LATIN.match, unseen)) or len(unseen) > ACCENTED * len(_LETTER.findall(text))


def unicode_words(text: str) -> list[str]:
    """Words of any script, in lower case; those of a–z and 0–9 stemmed.

    >>> unicode_words("Ада родилась в 1897 году; 東京で。")
    ['ада', 'родилась', 'в', '1897', 'году', '東', '京', 'で']
    """
    words = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    return [stem for word in words for stem in (_usual().tokenize(word) if _SEEN.fullmatch(word) else [word])]


class _UnicodeWords:
    """The form in which rouge-score wants `unicode_words`."""

    @staticmethod
    def tokenize(text: str) -> list[str]:
        return unicode_words(text)


@lru_cache(maxsize=1)
def _usual() -> Any:
    from rouge_score.tokenizers import DefaultTokenizer

    return DefaultTokenizer(use_stemmer=True)


@lru_cache(maxsize=2)
def _scorer(unicode: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rougeL"], tokenizer=_UnicodeWords if unicode else _usual())


def rouge_recall(truth: str, generated: str) -> Rouge:
    """Recall of ROUGE-1 and ROUGE-L with a stemmer, by the library rouge-score.

    >>> rouge_recall("the cat sat", "the cat ran")
    Rouge(rouge1=0.6666666666666666, rougeL=0.6666666666666666)
    """
    found = _scorer(by_unicode_words(truth)).score(truth, generated)
    return Rouge(float(found["rouge1"].recall), float(found["rougeL"].recall))


def said_of(truths: Iterable[str]) -> str | None:
    """What is said of ROUGE beside the results; None where every answer is cut in the usual way.

    >>> said_of(["Ada", "東京"]), said_of(["Ada"])
    ('by Unicode words for 1 of 2 answers', None)
    """
    ways = [by_unicode_words(truth) for truth in truths]
    return f"by Unicode words for {sum(ways)} of {len(ways)} answers" if any(ways) else None
