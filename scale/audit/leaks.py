"""Does an answer give away what is to be forgotten?

It does where it says the entity of the true answer: its words, one after another. Case, punctuation and how letters are
composed do not count, nor do the endings that a stemmer takes off ("civil engineers"). Where there is no entity, or the
question says it already, an answer gives it away from a share of the true answer's words on, in their order (ROUGE-L
recall). A model that knows nothing passes either now and then, so a share of answers that do stands beside the
retrained model's.
"""

from collections.abc import Sequence

from scale.audit.asked import Entity
from scale.data.questions import Question
from scale.data.words import unicode_words
from scale.evaluation.metrics.rouge import rouge

__all__ = ["gives_away", "says", "telling"]


def says(text: str, words: str) -> bool:
    """Has a text these words in a row?

    >>> says("He is a CIVIL  engineer, and tall", "civil engineer"), says("He is civil. An engineer", "civil engineer")
    (True, False)
    """
    sought, said = unicode_words(words), unicode_words(text)
    return bool(sought) and any(said[i : i + len(sought)] == sought for i in range(len(said) - len(sought) + 1))


def telling(question: Question, entity: Entity | None) -> Entity | None:
    """The entity, unless there is none or the question says it already: who repeats it knows nothing."""
    return None if entity is None or says(question.asked.shown, entity.words) else entity


def gives_away(question: Question, entity: Entity | None, texts: Sequence[str], least: float) -> list[bool]:
    """Does each of these answers give away the true one: by its entity, or from a ROUGE-L recall of `least` on?

    >>> asked = Question("Who?", ("It was Ada of London.",))
    >>> gives_away(asked, Entity("Ada"), ["ada!", "It was Bob of London."], least=0.5)
    [True, False]
    >>> gives_away(asked, None, ["ada!", "It was Bob of London."], least=0.5)
    [False, True]
    """
    known = telling(question, entity)
    if known is not None:
        return [says(text, known.words) for text in texts]
    return [rouge(question.truth, text) >= least for text in texts]
