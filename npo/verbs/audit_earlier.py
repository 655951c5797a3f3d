"""What earlier audits have measured in a folder: it stays in the report where it would be measured the same now."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npo.runs.finished import pieces_in
from npo.verbs.audit_choices import Chosen
from records.errors import UserError
from records.store import load
from records.work import missing

if TYPE_CHECKING:
    from scale.attacks.settings import AttackChoice
    from scale.audit.parts import Plan
    from scale.stages.audits.attack_parts import AttackPlan

__all__ = ["dropped", "with_earlier"]


def with_earlier(found: Chosen) -> Chosen:
    """It with the families and attacks that lie there, of the same models, rows and settings, beside those asked."""
    plan = _with_families(found.plan, found.folder)
    attacks = replace(found.attacks, plan=plan)
    named = {attack.label for attack in attacks.attacks}
    for path in pieces_in(found.folder / "attack" / plan.name).finished:
        earlier = _attack_of(path)
        if earlier is not None and earlier.label not in named and _is_there(attacks, earlier, found.folder):
            attacks = replace(attacks, attacks=(*attacks.attacks, earlier))
    return replace(found, plan=plan, attacks=attacks)


def _with_families(plan: "Plan", folder: Path) -> "Plan":
    from scale.audit.families import FAMILIES
    from scale.audit.parts import parts

    every = replace(plan, settings=plan.settings.model_copy(update={"families": tuple(FAMILIES)}))
    absent = {unit.name.rpartition("/")[2] for unit in missing(parts(every), folder)}
    wanted = tuple(name for name in FAMILIES if name in plan.settings.families or name not in absent)
    return replace(plan, settings=plan.settings.model_copy(update={"families": wanted}))


def _attack_of(folder: Path) -> "AttackChoice | None":
    """The attack that was made there; None where it can't be read, or trained by code of one's own, which is named."""
    from pydantic import ValidationError

    from scale.attacks.settings import AttackChoice
    from scale.training.optimizer_settings import own_of

    try:
        values = load(folder).values
        kind, settings = values["kind"], values["settings"]
        usual = AttackChoice.model_validate({kind: {}}).settings.model_dump(mode="json")
        changed = {name: value for name, value in settings.items() if value != usual.get(name)}
        found = AttackChoice.model_validate_json(json.dumps({kind: changed}))
    except (UserError, ValidationError, LookupError):
        return None
    own = found.relearn and found.relearn.optimizer and own_of(found.relearn.optimizer)
    return None if own else found


def _is_there(attacks: "AttackPlan", earlier: "AttackChoice", folder: Path) -> bool:
    from scale.audit.parts import parts

    try:
        units = replace(attacks, attacks=(earlier,)).units()
    except UserError:  # its rows are no longer there, or a model that it needs is not named
        return False
    names = {unit.name for unit in units}
    return not names & {unit.name for unit in missing([*parts(attacks.plan), *units], folder)}


def dropped(place: Path, told: Mapping[str, Any]) -> list[str]:
    """A sentence on what the report that lies there has and this one has not; none where there is no report."""
    try:
        before = json.loads((place / "audit.json").read_text(encoding="utf8"))
        gone = [
            f"{words} {name}"
            for key, words in (("models", "the model"), ("scores", "the family"), ("attacks", "the attack"))
            for name in before[key]
            if name not in told[key]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if not gone:
        return []
    return [
        f"The report that was here had {', '.join(gone)} too, not named now or measured with other models or settings."
    ]
