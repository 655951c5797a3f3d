"""Malformed recipes: what is no YAML of ours, keys that there are not, and a wrong type at every key that there is."""

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from malformed import Case, Content, check, fifo, params
from pydantic import BaseModel

from scale.recipes.recipe import Recipe

VERBS = ("run", "pretrain", "finetune", "retrain", "unlearn", "evaluate", "plan", "show-batch", "law", "sweep")
HEAD = "like: quick\n"

# --- the whole file -------------------------------------------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
)

WHOLE: dict[str, tuple[Content, str]] = {
    "empty": ("", "r.yaml"),
    "null": ("null\n", "r.yaml"),
    "a list": ("- like: quick\n", "mapping"),
    "a string": ("quick\n", "mapping"),
    "a number": ("3\n", "mapping"),
    "two documents": ("like: quick\n---\nlike: quick\n", "r.yaml"),
    "no YAML": ("like: [quick\n", "r.yaml"),
    "a tab": ("like: quick\nmodel:\n\tbase: tiny\n", "r.yaml"),
    "binary": (bytes(range(256)), "r.yaml"),
    "UTF-16": ("like: quick\nseed: 1\n".encode("utf-16-le"), "r.yaml"),
    "Latin-1": ("like: quick\nabout: é\n".encode("latin-1"), "r.yaml"),
    "NUL": ("like: quick\nabout: a\0b\n", "r.yaml"),
    "a surrogate": ('like: quick\nabout: "\\uD800"\n', "about"),
    "a surrogate in a path": ('like: quick\nmodel: {base: "\\uD800/x"}\n', "r.yaml"),
    "a Python object": ("like: quick\nabout: !!python/object/apply:os.system ['touch ran']\n", "r.yaml"),
    "an unknown tag": ("like: quick\nseed: !mine 3\n", "r.yaml"),
    "a set": ("like: quick\ndata: !!set {a, b}\n", "set"),
    "a date as a seed": ("like: quick\nseed: 2020-01-01\n", "seed"),
    "binary data": ("like: quick\nseed: !!binary aGk=\n", "binary"),
    "aliases of aliases": (BOMB + HEAD, "r.yaml"),
    "aliases of aliases in a known key": (BOMB.replace("i:", "about:") + HEAD, "r.yaml"),
    "an alias of itself": ("like: quick\nunlearn: &a {x: *a}\n", "r.yaml"),
    "an unknown alias": ("like: quick\nseed: *a\n", "r.yaml"),
    "deep lists": (HEAD + "about: " + "[" * 5000 + "]" * 5000 + "\n", "r.yaml"),
    "deep mappings": (HEAD + "about: " + "{a: " * 3000 + "1" + "}" * 3000 + "\n", "r.yaml"),
    "a key twice": ("like: quick\nseed: 1\nseed: 2\n", "seed"),
    "a group twice": ("like: quick\nfinetune: {lr: 1.0}\nfinetune: {epochs: 2}\n", "finetune"),
    "a key twice in a group": ("like: quick\nfinetune: {lr: 1.0, lr: 2.0}\n", "lr"),
    "like twice": ("like: quick\nlike: tofu-mini\n", "like"),
    "a number as a key": ("like: quick\n3: 4\n", "3"),
    "a list as a key": ("like: quick\n? [a, b]\n: 4\n", "r.yaml"),
    "null as a key": ("like: quick\n~: 4\n", "r.yaml"),
    "like nothing": ("like: quik\n", "Did you mean quick?"),
    "like a list": ("like: [quick]\n", "like"),
    "like a mapping": ("like: {a: b}\n", "like"),
    "like a number": ("like: 3\n", "like"),
    "like nothing at all": ("like:\nseed: 1\n", ("data", "finetune")),
    "like itself": ("like: r.yaml\n", "like itself"),
    "like itself by another way": ("like: ./r.yaml\n", "like itself"),
    "like a folder": ("like: ..\n", ".."),
    "a merge of no mapping": ("like: quick\n<<: 3\n", "r.yaml"),
    "JSON of a list": ('["like", "quick"]', "mapping"),
    "HTML": ("<!DOCTYPE html><html><body>Not Found</body></html>", "r.yaml"),
    "a Git LFS pointer": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "r.yaml"),
    "a folder": (None, "r.yaml"),
    "a pipe": (fifo, "r.yaml"),
    "nothing but a comment": ("# like: quick\n", "r.yaml"),
    "an endless integer": ("like: quick\nseed: " + "9" * 5000 + "\n", "seed"),
    "an endless key": ("like: quick\n" + "k" * 900 + ": 1\n", "kkk"),
    "an integer over sixty": ("like: quick\nseed: 1:30\n", "seed"),
    "a float over sixty": ("like: quick\nfinetune: {lr: 1:30.5}\n", "lr"),
    "an octal": ("like: quick\nseed: 012\n", "seed"),
    "a hexadecimal": ("like: quick\nseed: 0x1F\n", "seed"),
    "a binary": ("like: quick\nseed: 0b11\n", "seed"),
    "an underscore": ("like: quick\nseed: 1_000\n", "seed"),
    "on for a number": ("like: quick\nseed: on\n", "seed"),
    "yes for a rate": ("like: quick\nfinetune: {lr: yes}\n", "lr"),
}


def _verb(place: int) -> str:
    return VERBS[place % len(VERBS)]


def _words(verb: str, *words: str) -> list[str]:
    more = {"plan": [], "show-batch": [], "sweep": ["--cluster", "local", "--out", "o"]}.get(verb, ["--out", "o"])
    return [verb, *words, *more]


FILES = [
    Case(f"{_verb(i)}: {name}", _words(_verb(i), "r.yaml"), says, {"r.yaml": content})
    for i, (name, (content, says)) in enumerate(WHOLE.items())
]

# --- every key ------------------------------------------------------------------------------------------------------

NONE_OF = {  # what is no value of a type, as YAML; a text in quotes is one as in `key=value`, which must be a number
    bool: ("2", "maybe", "[true]", "{a: 1}", "1.5", "''"),
    int: ("true", "1.5", "x", "[1]", "{a: 1}", ".nan", "'1_0'", "2020-01-01", "''", "'²'"),
    float: ("true", "x", "[1.0]", "{a: 1}", ".nan", ".inf", "'1_0'", "2020-01-01", "''"),
    str: ("3", "true", "[a]", "{zzz: 1}", "1.5"),
    tuple: ("3.5", "{a: 1}", "true", "[[]]", "[{zzz: 1}]", "[null]", "[]"),
    dict: ("3.5", "[a]", "true", "{zzz: 1}", "x"),
    BaseModel: ("3.5", "[a]", "true", "{zzz: 1}", "x"),
}
SHORT = {("unlearn.wanted_drop", "3.5")}  # what is short for a group


def _keys(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, type]]:
    """Every key of a recipe, with the kind of value that it takes."""
    for name, info in model.model_fields.items():
        kind = _kind(info.annotation)
        yield above + name, BaseModel if issubclass(kind, BaseModel) else kind
        if issubclass(kind, BaseModel):
            yield from _keys(kind, f"{above}{name}.")


def _kind(annotation: Any) -> type:
    """The first plain type of an annotation."""
    origin, options = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return str
    if origin in (typing.Union, types.UnionType, typing.Annotated):
        return _kind(options[0])
    if origin is tuple:
        return tuple
    if isinstance(annotation, type):
        return annotation
    return dict


def _at_every_key() -> Iterator[Case]:
    place = 0
    for key, kind in _keys(Recipe):
        for i, value in enumerate(NONE_OF.get(kind, NONE_OF[str])):
            if (key, value) in SHORT:
                continue
            place += 1
            verb = _verb(place)
            file = f"{HEAD}{_flow(key, value)}\n"
            yield Case(f"{verb}: {key}: {value}", _words(verb, "r.yaml"), key, {"r.yaml": file}, slow=i > 0)
        yield Case(
            f"{_verb(place)}: {key} has a slip",
            _words(_verb(place), "r.yaml"),
            f"{key}x",
            {"r.yaml": f"{HEAD}{_flow(key + 'x', '3')}\n"},
            slow=True,
        )


def _flow(key: str, value: str) -> str:
    """`a.b` and a value as one line of YAML."""
    outer, _, rest = key.partition(".")
    return f"{outer}: {_braces(rest, value)}" if rest else f"{outer}: {value}"


def _braces(key: str, value: str) -> str:
    outer, _, rest = key.partition(".")
    return f"{{{outer}: {_braces(rest, value) if rest else value}}}"


# --- words after the recipe -----------------------------------------------------------------------------------------

WORDS = {
    "seed": "seed",
    "=1": "=1",
    "seed=": "seed",
    "seed=1:30": "seed",
    "seed=012": "seed",
    "seed=true": "seed",
    "seed=1.0": "seed",
    "seed=-1": "seed",
    "seed=9223372036854775808": "seed",
    "seed=²": "seed",
    "seed=nan": "seed",
    "sed=1": "Did you mean seed?",
    "finetune.lrr=1": "Did you mean lr?",
    "finetune.lr=inf": "finetune.lr",
    "finetune.lr=-1": "finetune.lr",
    "finetune.lr=": "finetune.lr",
    "finetune.lr=[": "finetune.lr",
    "finetune.lr.x=1": "finetune.lr.x",
    "finetune.epochs=0": "finetune.epochs",
    "finetune.epochs=1e2": "finetune.epochs",
    ".=1": ".",
    "finetune.=1": "finetune",
    ".seed=1": ".seed",
    "finetune..lr=1": "finetune..lr",
    "data=": "data",
    "data.source=": "TOFU's files is empty",
    "data.source=/no/where": "/no/where",
    "data.source=nowhere": "nowhere",
    "data.source=true": "data.source",
    "data.forget=forget": "data",
    "data.forget=forget00": "data",
    "data.forget=forget¹⁰": "data",
    "data.authors=1": "data.authors",
    "data.authors=99999999999": "data.authors",
    "data.retain_authors=": "data",
    "model.base=": "base",
    "model.base=tinny": "tinny",
    "model.base=..": "..",
    "model.prompt=Plain": "model.prompt",
    "model.prompt={before: a}": "model.prompt",
    "model.shape.hidden=97": "hidden",
    "model.shape.hidden=99999999999": "hidden",
    "model.shape.layers=999999999999": "layers",
    "model.shape.vocab=999999999999999": "vocab",
    "model.shape.positions=1": "positions",
    "model.lora={rank: 1000000000000}": "lora",
    "model.longest=0": "model.longest",
    "model.longest=1": "Question and answer",
    "model.four_bit=true": "four_bit",
    "unlearn.methods=": "unlearn.methods",
    "unlearn.methods=NPQ": "NPQ",
    "unlearn.methods=[NPO, npo]": "unlearn",
    "unlearn.methods=[{name: NPO, beta: 0}]": "beta",
    "unlearn.methods=[{nam: NPO}]": "nam",
    "unlearn.methods=[{name: GA, beta: 1}]": "GA",
    "unlearn.methods=[{name: GA, retain_weight: 2}]": "GA",
    "unlearn.methods=mine.py:f": "mine.py",
    "unlearn.methods=[[GA]]": "methods",
    "unlearn.seeds=1,1": "seed",
    "unlearn.seeds=": "seeds",
    "unlearn.seeds=true": "seeds",
    "unlearn.beta=nan": "unlearn.beta",
    "unlearn.batch=0": "unlearn.batch",
    "unlearn.warmup=-1": "warmup",
    "evaluate.protocol=tofuu": "tofu",
    "evaluate.questions=0": "evaluate.questions",
    "law.rungs=[head,head]": "law",
    "law.rungs=heads": "law.rungs",
    "law.betas=[0.1,0.1]": "law",
    "law.betas=[]": "law.betas",
    "law.adamw_lr={hed: 1}": "law.adamw_lr",
    "device=cuda": "cuda",
    "device=CPU": "device",
    "precision=fp16": "precision",
    "trackers=[x]": "trackers",
    "like=tofu-mini": "like",
}


def _after() -> Iterator[Case]:
    for word, says in WORDS.items():
        verb = {"law.": "law", "mode": "finetune", "unle": "unlearn"}.get(word[:4], "run" if "=" in word else "plan")
        yield Case(f"{verb} quick {word}", _words(verb, "quick", word), says)
    for verb in VERBS:
        yield Case(f"{verb}: no recipe", _words(verb, ""), "recipe")
        yield Case(f"{verb}: a near miss", _words(verb, "quik"), "Did you mean quick?")
        yield Case(f"{verb}: a slip twice", _words(verb, "quick", "seed=1", "seed=2"), "seed")
        yield Case(f"{verb}: two mistakes", _words(verb, "quick", "seed=-1", "finetune.lr=0"), ("seed", "finetune.lr"))
        if verb != "sweep":
            yield Case(f"{verb}: data nowhere", _words(verb, "quick", "--data", "nowhere"), "nowhere")
            yield Case(f"{verb}: data 123", _words(verb, "quick", "--data", "123"), "123")
        if verb not in ("plan", "show-batch", "law", "sweep"):
            yield Case(f"{verb}: an unknown device", _words(verb, "quick", "--device", "gpu"), "device")
            yield Case(f"{verb}: an unknown dtype", _words(verb, "quick", "--dtype", "fp16"), "fp16")
            yield Case(f"{verb}: a bad seed", _words(verb, "quick", "--seed", "9223372036854775808"), "seed")
            yield Case(f"{verb}: a GPU that is not there", _words(verb, "quick", "--device", "cuda"), "cuda")
    yield Case("run: no such unit", "run quick --unit finetun --out o", "finetun")
    yield Case("run: an empty unit", ["run", "quick", "--unit", "", "--out", "o"], "unit")
    yield Case("pretrain: no such stage", "pretrain quick --out o", "pretrain")
    yield Case("show-batch: no rows", "show-batch quick --count 0", "--count")
    yield Case("show-batch: x rows", "show-batch quick --count x", "--count")
    yield Case("evaluate: no such model", "evaluate quick --model nowhere --out o", "nowhere")
    yield Case("evaluate: an empty model", ["evaluate", "quick", "--model", "", "--out", "o"], "model")
    yield Case(
        "plan: a file of Python",
        "plan quick unlearn.methods=mine.py:f",
        (),
        {"mine.py": "open('ran', 'w')\ndef f(logp): return logp\n"},
        code=0,
    )


CASES = [*FILES, *_at_every_key(), *_after()]


@pytest.mark.parametrize("case", params(CASES))
def test_a_recipe(case: Case, tmp_path: Path, prepared: Path) -> None:
    check(case, tmp_path, prepared)
