"""What `npo forget` is asked on its command line, as a recipe of the kind `rows`; every mistake of it at once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from npo.running.hyperparameters import typed
from npo.running.methods import hyperparameters_of, objective_of
from npo.verbs.forget.beta import misplaced, wanted_drop_of
from records.errors import UserError, together
from records.settings import said
from records.shown import shown
from theory.objective import Objective, takes

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from scale.recipes.method import Method
    from scale.recipes.recipe import Recipe, UnlearnSettings

__all__ = [
    "BETA",
    "ForgetChoices",
    "changed_by_keys",
    "check_choices",
    "choices_of",
    "methods_asked",
    "recipe_asked",
]

BETA = 0.1
"""Where a method takes a β and none is given."""
NEW_TOKENS = 60
"""Of an answer that is shown."""


@dataclass(frozen=True, kw_only=True)
class ForgetChoices:
    """What the command line asks for."""

    methods: tuple[str, ...]
    beta: float | Literal["auto"] | None
    lr: float
    epochs: int
    batch: int
    piece: int
    retain_weight: float
    lora: int | None
    prompt: str | None
    device: str
    dtype: str
    seeds: tuple[int, ...] = (0,)
    settings: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    max_length: int | None = None
    recompute: bool = False
    weights: str = "float32"
    optimizer: str = "adamw"
    format: str | None = None
    keys: tuple[str, ...] = ()
    retain_log: Path | None = None
    reduction: str | None = None
    steps: int | None = None
    warmup: float | None = None
    weight_decay: float | None = None
    clip: float | None = None
    tags: str | None = None
    base: str | None = None
    held_out: Path | None = None
    wanted_drop: float | None = None
    only_beta: bool = False

    @property
    def typed_beta(self) -> float | None:
        """The β that was typed as a number."""
        return None if isinstance(self.beta, str) else self.beta


def choices_of(typed: Mapping[str, Any]) -> ForgetChoices:
    """The choices by the names of the options."""
    given = {field.name: typed[field.name] for field in fields(ForgetChoices) if field.name in typed}
    lists = {"methods": typed["method"], "settings": typed["settings"], "keys": typed["keys"]}
    given |= {name: tuple(words or ()) for name, words in lists.items()}
    return ForgetChoices(**given, format=typed["rows_format"])


def check_choices(asked: ForgetChoices, prompts: Collection[str], shapes: Collection[str]) -> None:
    """UserError naming every choice that there is not."""
    choices = {
        "prompt": prompts,
        "format": shapes,
        "device": ("auto", "cpu", "cuda"),
        "dtype": ("float32", "bf16"),
        "weights": ("float32", "bf16", "4bit"),
    }
    given = {name: getattr(asked, name) for name in choices}
    wrong = [
        f"--{name} {value}: there is no such {name}; choose one of {', '.join(choices[name])}."
        for name, value in given.items()
        if value is not None and value not in choices[name]
    ]
    if asked.weights == "4bit" and not asked.lora:
        wrong.append("--weights 4bit: weights in four bits are not trained. Give --lora RANK too, or choose bf16.")
    if asked.tags is not None and asked.prompt is not None:
        wrong.append("--tags and --prompt both say how a question is written: give one of them.")
    wrong += misplaced(asked)
    wrong += [f"--metrics: {told}" for name in asked.metrics for told in _unknown_metric(name)]
    together(lambda: _refuse(wrong), lambda: _prompt(asked))


def _refuse(wrong: Sequence[str]) -> None:
    if wrong:
        raise UserError("\n".join(wrong))


def _prompt(asked: ForgetChoices) -> str | dict[str, Any]:
    """How a question is written, as a recipe has it; UserError with all that is wrong with the tags."""
    if asked.tags is None:
        return asked.prompt or "auto"
    from pydantic import ValidationError

    from scale.recipes.recipe import ModelSettings
    from scale.recipes.yaml_text import read_yaml

    found, form = read_yaml(asked.tags, "--tags"), 'Write {before: "…", after: "…", tag: "…"}.'
    if not isinstance(found, dict):
        raise UserError(f"--tags: it is no group of texts by name, got {shown(asked.tags)}. {form}")
    try:
        ModelSettings.model_validate({"prompt": found})
    except ValidationError as error:
        of_tags = [e for e in error.errors() if "Tags" in e["loc"]]
        wrong = [f"--tags: {'.'.join(map(str, e['loc'][2:]))}: {said(e)}." for e in of_tags]
        raise UserError("\n".join([*wrong, form])) from None
    return found


def _unknown_metric(name: str) -> list[str]:
    """What is wrong with the name of a metric; nothing of a user's is run."""
    from scale.evaluation.catalogue import known_metric

    try:
        known_metric(name)
    except UserError as error:
        return [str(error)]
    return []


def methods_asked(asked: ForgetChoices, *, has_retain: bool) -> "tuple[UnlearnSettings, list[Method]]":
    """The schedule and the methods that were asked for; UserError with every value of them that can't be."""
    names = asked.methods or ("NPO+RT" if has_retain else "NPO",)
    plain = [{"name": name, **_weight(asked)} for name in names]
    own, _ = together(lambda: _typed(asked, names), lambda: _schedule(asked, plain))
    chosen = _schedule(asked, [{**one, **own.get(one["name"], {})} for one in plain])
    return chosen, together(*(partial(_method, one, chosen, asked.beta) for one in chosen.methods))


def _typed(asked: ForgetChoices, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By method, the hyperparameters that `--set` gives it; UserError with all that can't be."""
    of = typed(asked.settings, beta=asked.typed_beta)
    known = {}
    for name in names:
        try:
            known[name] = hyperparameters_of(name)
        except UserError:  # told where it is made into a method
            return {}
    if wrong := of.astray(known):
        raise UserError("\n".join(wrong))
    given = {name: of.given(name, takes_) for name, takes_ in known.items()}
    return {name: {"hyperparameters": found} for name, found in given.items() if found}


def _schedule(asked: ForgetChoices, methods: Sequence[Mapping[str, Any]]) -> "UnlearnSettings":
    """Schedule, methods and seeds as a recipe has them."""
    from pydantic import ValidationError

    from scale.recipes.recipe import UnlearnSettings

    given = {key: getattr(asked, key) for key in ("lr", "epochs", "batch", "piece", "recompute", "optimizer")}
    given |= {"beta": BETA if asked.beta is None else asked.beta, "seeds": list(asked.seeds)}
    given |= {"wanted_drop": wanted_drop_of(asked)} if asked.beta == "auto" else {}
    short = asked.epochs == 1 or asked.steps is not None  # one epoch of warming up would train little or nothing
    given |= {"warmup": 0.0 if short else 1.0}
    later = {key: getattr(asked, key) for key in ("steps", "warmup", "weight_decay", "clip", "reduction")}
    given |= {key: value for key, value in later.items() if value is not None}
    try:
        return UnlearnSettings.model_validate({"methods": list(methods), **given})
    except ValidationError as error:
        raise UserError("\n".join(_told(e) for e in error.errors())) from None


def _told(error: "ErrorDetails") -> str:
    """One of pydantic's errors, by the option."""
    if error["loc"][:2] == ("wanted_drop", "by"):
        return f"--wanted-drop: it should be a number of nats above 0, got {shown(error['input'])}."
    if not error["loc"]:  # of several options together
        return f"--method, --seeds: {said(error)}."
    option = str(error["loc"][-1]).replace("_", "-")
    return f"--{option}: {said(error)}, got {shown(error['input'])}."


def _method(chosen: Any, unlearn: "UnlearnSettings", beta: float | Literal["auto"] | None) -> "Method":
    from scale.recipes.method import method_of

    try:
        method = method_of(chosen, unlearn, partial(_with_beta, None if isinstance(beta, str) else beta))
    except UserError as error:
        raise UserError(f"--method {chosen.name}: {error}") from None
    if beta == "auto" and not method.auto and "beta" not in chosen.own:
        raise UserError(f"--beta auto: it is found for NPO, and {chosen.name} is another loss. Give it a number.")
    if beta is not None and method.beta is None and not method.auto:
        raise UserError(f"--beta: {chosen.name} takes no β. Leave it out, or choose another --method.")
    return method


def _with_beta(given: float | None, name: str, hyperparameters: Mapping[str, float], beta: float) -> Objective:
    """The objective of a method with the β that was typed, which goes before that of its paper, and after `--set`."""
    found = objective_of(name, hyperparameters, beta)
    if given is None or "beta" not in takes(found.forget):
        return found
    return objective_of(name, {"beta": given, **hyperparameters}, beta)


def _weight(asked: ForgetChoices) -> dict[str, float]:
    return {} if asked.retain_weight == 1 else {"retain_weight": asked.retain_weight}


_KEYS = ("unlearn", "evaluate", "model", "seed", "device", "precision", "trackers")
"""What of a recipe the command line may set by its key."""


def changed_by_keys(recipe: "Recipe", methods: "list[Method]", asked: ForgetChoices) -> "tuple[Recipe, list[Method]]":
    """The recipe and the methods with the keys put over them that were typed; UserError with all that can't be."""
    from scale.recipes.file import changed

    if not asked.keys:
        return recipe, methods
    wrong = [word for word in asked.keys if "=" in word and word.partition("=")[0].partition(".")[0] not in _KEYS]
    told = [f"{word}: rows are named as arguments and nothing is trained before; there are {', '.join(_KEYS)}."
            for word in wrong]  # fmt: skip

    def refuse() -> None:
        if told:
            raise UserError("\n".join(told))

    rest = [word for word in asked.keys if word not in wrong]
    recipe, _ = together(lambda: changed(recipe, rest, "What was typed"), refuse)
    chosen = recipe.unlearn
    return recipe, together(*(partial(_method, one, chosen, asked.beta) for one in chosen.methods))


def recipe_asked(
    rows: Path, retain: Path | None, model: str, asked: ForgetChoices, chosen: "UnlearnSettings"
) -> "Recipe":
    """The recipe that the command line stands for; UserError where the model is none that is trained already."""
    from pydantic import ValidationError

    from scale.recipes.recipe import Recipe

    lora = {"rank": asked.lora, "alpha": 2 * asked.lora} if asked.lora else None
    held = {"four_bit": True} if asked.weights == "4bit" else {"weights": asked.weights}
    try:
        return Recipe.model_validate(
            {
                "data": {
                    "kind": "rows",
                    "forget": str(rows),
                    "retain": str(retain) if retain else None,
                    "format": asked.format,
                },
                "model": {
                    "base": model,
                    "prompt": _prompt(asked),
                    "longest": asked.max_length,
                    "lora": lora,
                    **held,
                },
                "finetune": None,
                "retain_log": str(asked.retain_log) if asked.retain_log else None,
                "unlearn": chosen,
                "evaluate": {"every": "end", "generate": "end", "new_tokens": NEW_TOKENS, "metrics": asked.metrics},
                "seed": asked.seeds[0],
                "device": asked.device,
                "precision": asked.dtype,
            }
        )
    except ValidationError as error:
        told = [f"{'.'.join(map(str, e['loc']))}: {said(e)}." for e in error.errors()]
        raise UserError(f"--model {model}: " + "\n".join(told)) from None
