"""The attacks of `npo audit` as they are typed, each an entry of a recipe's `attacks:`; all mistakes at once."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npo.verbs.audited_run import RunOfModel
from records.errors import UserError, together
from records.shown import shown

if TYPE_CHECKING:
    from scale.attacks.settings import AttackChoice
    from scale.audit.parts import Plan
    from scale.recipes.recipe import Recipe
    from scale.stages.audits.attack_parts import AttackPlan
    from scale.stages.audits.attack_rows import RowsThere
    from scale.training.schedule import Schedule

__all__ = ["USUAL", "attack_plan", "attacks_asked"]

USUAL = {"lr": 1e-5, "epochs": 1, "batch": 8, "piece": 4}
"""What relearning takes where the model is of no run: that of `npo forget`."""


def attacks_asked(texts: Sequence[str], related: Path | None) -> "tuple[AttackChoice, ...]":
    """The attacks that were typed; `related` is the file of related rows. UserError with everything that is wrong."""
    from pydantic import TypeAdapter, ValidationError

    from scale.attacks.settings import Attacks
    from scale.recipes.file import told

    entries, wrong = _entries(texts)
    if related is not None and (mistake := _put_file(entries, str(related))):
        wrong.append(mistake)
    found: tuple[AttackChoice, ...] = ()
    try:  # as JSON: strict there, a list still fills a tuple
        found = TypeAdapter(Attacks).validate_json(json.dumps(entries), strict=True)
    except ValidationError as error:
        # a list that is too short for its items' mistakes is none: those are told
        each = [e for e in error.errors() if not (e["type"] == "too_short" and e["input"])]
        wrong += [_by_option(told({**e, "loc": ("attacks", *e["loc"])})) for e in each]
    if wrong:
        raise UserError("\n".join(wrong))
    return found


def _entries(texts: Sequence[str]) -> tuple[list[Any], list[str]]:
    """Every attack in full, `{relearn: {…}}`, and what could not be read."""
    from scale.attacks.settings import listed
    from scale.recipes.yaml_text import read_yaml

    entries, wrong = list[Any](), list[str]()
    for text in texts:
        try:
            value = read_yaml(text, f"--attack {shown(text)}")
        except UserError as error:
            wrong.append(str(error))
            continue
        several = listed(value if isinstance(value, str | list) else [value])
        entries += [one for each in several for one in _apart(each)]
    return entries, wrong


def _apart(entry: Any) -> list[Any]:
    """The attacks of a group one by one; a name with nothing behind it takes the usual settings."""
    if not isinstance(entry, dict):
        return [entry]
    return [{name: {} if settings is None else settings} for name, settings in entry.items()]


def _put_file(entries: Sequence[Any], file: str) -> str:
    """Give the file to relearning on related rows; what is wrong where there is none that lacks one."""
    inside = [settings for one in entries if isinstance(one, dict) for settings in one.values()]
    wanting = [x for x in inside if isinstance(x, dict) and x.get("rows") == "related" and "file" not in x]
    for settings in wanting:
        settings["file"] = file
    advice = "--attack-rows: no attack takes them. Say --attack 'relearn: {rows: related}' too."
    return "" if wanting else advice


def _by_option(sentence: str) -> str:
    """A mistake of a recipe's `attacks` as one of the option's.

    >>> _by_option("  attacks.0.quantise.bits.0: Input should be 8"), _by_option("  attacks: twice")
    ('--attack quantise.bits.0: Input should be 8', '--attack: twice')
    """
    return re.sub(r"^ *attacks(\.\d+)?(\.?)", lambda found: "--attack " if found[2] else "--attack", sentence)


def attack_plan(
    plan: "Plan",
    attacks: "Sequence[AttackChoice]",
    rows: "RowsThere",
    recipe: "Recipe | None",
    run: RunOfModel | None,
) -> "AttackPlan":
    """What attacks are made with; relearning takes the schedule that the model was unlearned with, if nothing is said.

    UserError where an optimizer of one's own takes no step.
    """
    from scale.stages.audits.attack_parts import AttackPlan, schedules_of
    from scale.training.optimizers import try_own

    usual = _usual(recipe, run)
    together(lambda: try_own(schedules_of(attacks, usual)))
    return AttackPlan(plan, attacks, rows, usual)


def _usual(recipe: "Recipe | None", run: RunOfModel | None) -> "Schedule":
    """The schedule of the model's unlearning, else of the recipe's, else the usual one.

    An optimizer that is code of one's own is not taken from a folder: it runs where it is named again.
    """
    from scale.training.optimizer_settings import own_of
    from scale.training.schedule import Schedule

    settings = run.settings if run else {}
    if "method" in settings:
        found = Schedule.model_validate_json(json.dumps(settings["schedule"]))
        return found.model_copy(update={"optimizer": "adamw"}) if own_of(found.optimizer) else found
    return recipe.unlearn if recipe else Schedule.model_validate(USUAL)
