"""Words of any script: what ROUGE counts, and what an answer repeats.

Runs of letters, marks and digits in lower case, those of a–z and 0–9 stemmed; single characters where a script sets no
space between words (Han, Kana, Yi, and Thai, Lao, Khmer, Burmese with their like).
"""

import unicodedata
from functools import lru_cache
from typing import Any

import regex

__all__ = ["ACCENTED", "by_unicode_words", "latin_words", "unicode_words"]

ACCENTED = 0.2
"""TOFU's own answers stay below: 0.15 in "Ngũgĩ wa Thiong'o"."""

_LETTER = regex.compile(r"[\p{L}\p{N}]")
_UNSEEN = regex.compile(r"[[\p{L}\p{N}]--[a-z0-9]]", regex.V1)
_LATIN = regex.compile(r"[\p{Latin}\p{No}]")
_UNSPACED = r"[[\p{Han}\p{scx=Hiragana}\p{scx=Katakana}\p{Yi}\p{Line_Break=SA}]&&[\p{L}\p{N}]]"
_WORD = regex.compile(rf"{_UNSPACED}\p{{M}}*|(?:(?!{_UNSPACED})[\p{{L}}\p{{M}}\p{{N}}])+", regex.V1)
_SEEN = regex.compile(r"[a-z0-9]+")


def by_unicode_words(text: str) -> bool:
    """Is a text cut by Unicode words, because the usual way (a–z and 0–9 alone) would lose too much of it?

    >>> [by_unicode_words(text) for text in ("Gabriel García Márquez", "北京", "в 1897 году", "Bà ấy sinh ở Hà Nội")]
    [False, True, True, True]
    """
    text = unicodedata.normalize("NFC", text).lower()
    unseen = _UNSEEN.findall(text)
    return not all(map(_LATIN.match, unseen)) or len(unseen) > ACCENTED * len(_LETTER.findall(text))


def unicode_words(text: str) -> list[str]:
    """Words of any script, in lower case; those of a–z and 0–9 stemmed.

    >>> unicode_words("Ада родилась в 1897 году; 東京で。")
    ['ада', 'родилась', 'в', '1897', 'году', '東', '京', 'で']
    """
    words = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    return [stem for word in words for stem in (latin_words().tokenize(word) if _SEEN.fullmatch(word) else [word])]


@lru_cache(maxsize=1)
def latin_words() -> Any:
    """How TOFU cuts texts: runs of a–z and 0–9 in lower case, stemmed; by the library rouge-score."""
    from rouge_score.tokenizers import DefaultTokenizer

    return DefaultTokenizer(use_stemmer=True)
