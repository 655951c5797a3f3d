"""The families of scores that an audit has: what each asks, and the function that measures it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from scale.audit.asked import AskedSets
from scale.audit.hidden import hidden
from scale.audit.items import Items
from scale.audit.membership import membership
from scale.audit.memorisation import memorisation
from scale.audit.prompts import prompts
from scale.audit.samples import sampling
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside

__all__ = ["FAMILIES", "Family", "Measure"]

Measure: TypeAlias = Callable[[AuditSubject, AskedSets, AuditSettings, ModelsBeside], Mapping[str, Items]]


@dataclass(frozen=True)
class Family:
    """Scores that are measured together.

    `reads` names the models of `ModelsBeside` that the measure looks at, `takes` the settings: what it does not name
    changes nothing of what was measured, which is kept.
    """

    name: str
    about: str
    measure: Measure
    reads: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("memorisation", "how much of the answers it has by heart", memorisation),
        Family(
            "membership",
            "can it be told which rows it was trained on",
            membership,
            reads=("finetuned", "reference"),
            takes=("min_k", "gradients"),
        ),
        Family(
            "sampling",
            "does it come out in one of many answers",
            sampling,
            takes=("answers", "temperature", "top_p", "ks", "new_tokens", "rouge", "alpha", "fluency", "seed"),
        ),
        Family(
            "prompts",
            "does it come out asked in another way",
            prompts,
            takes=("prompts", "other_format", "prefix", "instruction", "new_tokens"),
        ),
        Family("hidden", "is it in the hidden states still", hidden, reads=("finetuned", "retrained"), takes=("tau",)),
    )
}
"""In the order in which they are shown; `scale.audit.settings.FAMILY_NAMES` names them all."""
