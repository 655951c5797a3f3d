"""The settings of an audit as they are typed: `audit.answers=64 audit.families=[memorisation,membership]`."""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from records.errors import UserError, together
from records.settings import parse_words, said
from records.shown import shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from scale.audit.settings import AuditSettings

__all__ = ["OWN", "settings_asked"]

OWN = "audit."
"""What such a key begins with."""


def settings_asked(
    keys: Sequence[str], families: Sequence[str] = (), usual: "AuditSettings | None" = None
) -> "AuditSettings":
    """The usual settings with those put over them that were typed; UserError with everything that is wrong."""
    from pydantic import ValidationError

    from scale.audit.settings import AuditSettings
    from scale.recipes.yaml_text import read_yaml

    words = parse_words([word for word in keys if word.startswith(OWN)])
    values = together(*(lambda key=key, text=text: read_yaml(text, key) for key, text in words.items()))
    given = usual.model_dump(exclude_unset=True) if usual else {}
    given |= dict(zip((key.removeprefix(OWN) for key in words), values, strict=True))
    given |= {"families": tuple(families)} if families else {}
    try:
        return AuditSettings.model_validate({key: tuple(x) if isinstance(x, list) else x for key, x in given.items()})
    except ValidationError as error:
        told = (_told(e, list(AuditSettings.model_fields), by_option=bool(families)) for e in error.errors())
        raise UserError("\n".join(told)) from None


def _told(error: "ErrorDetails", known: Sequence[str], *, by_option: bool) -> str:
    """One of pydantic's errors, by the key, or by the option where families were named so."""
    if not error["loc"]:
        return f"{OWN}{said(error)}."
    key = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"Did you mean {OWN}{near[0]}?" if near else f"There are {', '.join(known)}."
        return f"{OWN}{key}: there is no such key. {hint}"
    if error["type"] == "value_error":
        return f"{'--families' if by_option and key == 'families' else OWN + key}: {said(error)}."
    return f"{OWN}{key}: {said(error)}, got {shown(error['input'])}."
