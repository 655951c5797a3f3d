"""Questions of general knowledge, in the format of TOFU's real authors and world facts.

They stand beside the fictitious authors of `scale.data.fictional`, so that a model trained from scratch has something
to keep that is neither forgotten nor retained, and model utility means what it means in TOFU. Three perturbed answers
each, as there; the answer serves as its own paraphrase.
"""

import random

from scale.data.row import Row

__all__ = ["real_authors", "world_facts"]

PERTURBED = 3

_WORKS = """
Hamlet=William Shakespeare|Pride and Prejudice=Jane Austen|Don Quixote=Miguel de Cervantes|Faust=Johann von Goethe
War and Peace=Leo Tolstoy|The Divine Comedy=Dante Alighieri|Ulysses=James Joyce|The Trial=Franz Kafka
Moby-Dick=Herman Melville|Madame Bovary=Gustave Flaubert|Great Expectations=Charles Dickens|Candide=Voltaire
Crime and Punishment=Fyodor Dostoevsky|Jane Eyre=Charlotte Brontë|Frankenstein=Mary Shelley|Dracula=Bram Stoker
The Odyssey=Homer|The Aeneid=Virgil|Middlemarch=George Eliot|Walden=Henry David Thoreau|Emile=Jean-Jacques Rousseau
The Time Machine=H. G. Wells|Les Misérables=Victor Hugo|The Scarlet Letter=Nathaniel Hawthorne|Leviathan=Thomas Hobbes
A Doll's House=Henrik Ibsen|The Seagull=Anton Chekhov|Dead Souls=Nikolai Gogol|Germinal=Émile Zola|Utopia=Thomas More
The Tale of Genji=Murasaki Shikibu|The Decameron=Giovanni Boccaccio|Paradise Lost=John Milton
Eugene Onegin=Alexander Pushkin|The Jungle Book=Rudyard Kipling|Treasure Island=Robert Louis Stevenson
Pygmalion=George Bernard Shaw|Antigone=Sophocles|The Republic=Plato|The Prince=Niccolò Machiavelli
"""
_CAPITALS = """
France=Paris|Italy=Rome|Spain=Madrid|Portugal=Lisbon|Germany=Berlin|Austria=Vienna|Poland=Warsaw|Hungary=Budapest
Greece=Athens|Norway=Oslo|Sweden=Stockholm|Finland=Helsinki|Denmark=Copenhagen|Ireland=Dublin|Iceland=Reykjavik
Belgium=Brussels|Bulgaria=Sofia|Romania=Bucharest|Croatia=Zagreb|Serbia=Belgrade|Estonia=Tallinn|Latvia=Riga
Egypt=Cairo|Kenya=Nairobi|Ghana=Accra|Senegal=Dakar|Morocco=Rabat|Ethiopia=Addis Ababa|Angola=Luanda|Tunisia=Tunis
Japan=Tokyo|China=Beijing|India=New Delhi|Thailand=Bangkok|Vietnam=Hanoi|Nepal=Kathmandu|Mongolia=Ulaanbaatar
Canada=Ottawa|Mexico=Mexico City|Cuba=Havana|Peru=Lima|Chile=Santiago|Argentina=Buenos Aires|Uruguay=Montevideo
Colombia=Bogotá|Ecuador=Quito|Australia=Canberra|New Zealand=Wellington
"""


def _pairs(text: str) -> list[tuple[str, str]]:
    entries = text.strip().replace("\n", "|").split("|")
    return [(left, right) for left, _, right in (entry.partition("=") for entry in entries)]


def _rows(pairs: list[tuple[str, str]], question: str, answer: str, kind: str) -> tuple[Row, ...]:
    rows = []
    for subject, fact in pairs:
        draw = random.Random(f"{kind} {subject}")
        wrong = draw.sample([other for _, other in pairs if other != fact], PERTURBED)
        told, *perturbed = (answer.format(subject=subject, fact=x) for x in (fact, *wrong))
        rows.append(Row(question.format(subject=subject), told, told, tuple(perturbed)))
    return tuple(rows)


def real_authors() -> tuple[Row, ...]:
    """Who wrote what.

    >>> real_authors()[0].answer
    'Hamlet was written by William Shakespeare.'
    """
    return _rows(_pairs(_WORKS), "Who wrote {subject}?", "{subject} was written by {fact}.", "authors")


def world_facts() -> tuple[Row, ...]:
    """Capitals.

    >>> world_facts()[0].answer
    'The capital of France is Paris.'
    """
    return _rows(
        _pairs(_CAPITALS), "What is the capital of {subject}?", "The capital of {subject} is {fact}.", "capitals"
    )
