"""What `npo audit` is asked on its command line: models, rows, settings; every mistake of it at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npo.running.recipes import RecipeChoices, evaluated_as, read
from npo.verbs.audit_attacks import attack_plan, attacks_asked
from npo.verbs.audit_rows import rows_asked
from npo.verbs.audit_settings import OWN, settings_asked
from npo.verbs.audited_run import RunOfModel, model_in, run_of, shipped_name
from records.errors import UserError, together

if TYPE_CHECKING:
    from scale.audit.parts import Plan
    from scale.audit.settings import AuditSettings
    from scale.recipes.recipe import Recipe
    from scale.stages.audits.attack_parts import AttackPlan

__all__ = ["AuditChoices", "Chosen", "chosen"]


@dataclass(frozen=True, kw_only=True)
class AuditChoices:
    """What the command line asks for."""

    model: str
    keys: tuple[str, ...] = ()
    recipe: str | None = None
    retrained: str | None = None
    finetuned: str | None = None
    reference: str | None = None
    forget: Path | None = None
    retain: Path | None = None
    holdout: Path | None = None
    entities: Path | None = None
    reworded: Path | None = None
    attacks: tuple[str, ...] = ()
    attack_rows: Path | None = None
    families: tuple[str, ...] = ()
    format: str | None = None
    prompt: str | None = None
    max_length: int | None = None
    out: Path | None = None
    data: Path | None = None
    device: str | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class Chosen:
    """What is audited and attacked, where parts are kept and results go, and what is known of the models besides."""

    plan: "Plan"
    attacks: "AttackPlan"
    folder: Path
    given: Mapping[str, Mapping[str, float]]

    @property
    def place(self) -> Path:
        """Of the results about this model."""
        return self.folder / self.plan.name


def chosen(asked: AuditChoices) -> Chosen:
    """All of it, models and rows looked for; UserError with everything that is wrong."""
    from scale.audit.parts import Plan
    from scale.runtime.processes import Processes

    run = run_of(asked.model)
    settings, recipe, places, machine, attacks = together(
        lambda: _with_classifier(_settings(asked)),
        lambda: _recipe(asked, run),
        lambda: _places(asked, run),
        lambda: _machine(asked),
        lambda: attacks_asked(asked.attacks, asked.attack_rows),
    )
    if recipe and recipe.audit:
        settings = _settings(asked, recipe.audit)
    processes = Processes(**machine)
    (sets, rows), settings, _ = together(
        lambda: rows_asked(asked, recipe, run, settings),
        lambda: _with_classifier(settings),
        lambda: processes.accelerator,
    )
    name = run.unit.name if run else evaluated_as(asked.model)
    plan = Plan(name, places, sets, settings, processes, **_how(asked, recipe, run))
    folder = asked.out or (run.folder / "audited" if run else Path("out") / "audit")
    return Chosen(plan, attack_plan(plan, attacks, rows, recipe, run), folder, run.utility if run else {})


def _settings(asked: AuditChoices, usual: "AuditSettings | None" = None) -> "AuditSettings":
    """The settings that were typed, files by their options too."""
    files = {name: str(path) for name in ("entities", "reworded") if (path := getattr(asked, name)) is not None}
    return settings_asked(asked.keys, asked.families, usual).model_copy(update=files)


def _with_classifier(settings: "AuditSettings") -> "AuditSettings":
    """The same; UserError where a classifier is named that is none."""
    from scale.audit.fluency import check_classifier

    if settings.fluency is not None:
        check_classifier(settings.fluency)
    return settings


def _recipe(asked: AuditChoices, run: RunOfModel | None) -> "Recipe | None":
    """The recipe whose rows are asked: the one named, or that of a run in a folder of its name; None for own rows."""
    words = [word for word in asked.keys if not word.startswith(OWN)]
    name = asked.recipe or (None if asked.forget or run is None else shipped_name(run.folder))
    if name is not None:
        return read(RecipeChoices(name, words, data=asked.data, device=asked.device, dtype=asked.dtype, seed=None))
    wrong = [f"{word}: only a recipe has such a key: name it with --recipe, or say {OWN}KEY=VALUE." for word in words]
    wrong += [] if asked.data is None else ["--data: only a recipe has it: name one with --recipe."]
    if asked.forget is None:
        wrong.append(
            "Name the rows that were to be forgotten: --forget FILE, or --recipe NAME where they are a recipe's."
        )
    if wrong:
        raise UserError("\n".join(wrong))
    return None


def _places(asked: AuditChoices, run: RunOfModel | None) -> dict[str, str]:
    """Every model by what it is; UserError with each that is none."""
    given = {name: getattr(asked, name) for name in ("retrained", "finetuned", "reference")}
    named = {"model": asked.model} | {name: place for name, place in given.items() if place is not None}
    found = {name: model_in(place) for name, place in named.items()}
    together(*(partial(_check_model, name, place) for name, place in found.items()))
    return _apart(found, run.beside if run else {})


def _apart(named: Mapping[str, str], of_run: Mapping[str, str]) -> dict[str, str]:
    """The models named and the run's others, less one that is audited itself; UserError where two in need are one.

    The finetuned model may be the reference, and so may the retrained one.
    """
    from scale.models.reference.identity import weights_of

    audited = weights_of(named["model"])
    places = {**{name: place for name, place in of_run.items() if weights_of(place) != audited}, **named}
    known = {name: weights_of(place) for name, place in places.items()}
    words = {"model": "the model that is audited", "finetuned": "the finetuned model"}
    pairs = (("model", "retrained"), ("model", "finetuned"), ("model", "reference"), ("finetuned", "retrained"))
    wrong = [
        f"--{second} {places[second]} has the weights of {words[first]} ({places[first]}): compared with itself a "
        "model shows no difference, whatever it remembers. Name another, or leave it out."
        for first, second in pairs
        if {first, second} <= known.keys() and known[first] == known[second] and {first, second} & named.keys()
    ]
    if wrong:
        raise UserError("\n".join(wrong))
    return places


def _check_model(name: str, place: str) -> None:
    from scale.models.loading.merged import is_adapter
    from scale.models.loading.whole import described, place_of

    try:
        source = place_of(place)
        if Path(source).is_dir() and not is_adapter(source):
            described(source)
    except UserError as error:
        raise UserError(str(error) if name == "model" else f"--{name}: {error}") from None


def _machine(asked: AuditChoices) -> dict[str, Any]:
    """Device and precision; UserError with what there is not."""
    from scale.data.formats import AUTO, FORMATS

    choices = {
        "device": ("auto", "cpu", "cuda"),
        "dtype": ("float32", "bf16"),
        "prompt": (AUTO, *FORMATS),
    }
    given = {name: getattr(asked, name) for name in choices}
    wrong = [
        f"--{name} {value}: there is no such {name}; choose one of {', '.join(choices[name])}."
        for name, value in given.items()
        if value is not None and value not in choices[name]
    ]
    if wrong:
        raise UserError("\n".join(wrong))
    return {"device": asked.device or "auto", "precision": asked.dtype or "float32"}


def _how(asked: AuditChoices, recipe: "Recipe | None", run: RunOfModel | None) -> dict[str, Any]:
    """Prompt format, longest text, weights: as typed, as the run had them, as the recipe has them."""
    from scale.data.formats import Tags

    of_run = run.settings.get("model", {}) if run else {}
    of_recipe = recipe.model.model_dump(mode="json") if recipe else {}
    known = {**of_recipe, **of_run}
    prompt = asked.prompt or known.get("prompt", "auto")
    return {
        "prompt": Tags(**prompt) if isinstance(prompt, dict) else prompt,
        "longest": asked.max_length or known.get("longest"),
        "weights": known.get("weights", "float32"),
    }
