"""Recipes as strangers write them: a number is a number, nothing is there twice, no file hangs or ends the reader."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from records.errors import UserError
from records.settings import scalar
from scale.recipes.file import read_recipe
from scale.recipes.yaml_text import read_yaml

NO_NUMBERS = (
    "1:30",
    "012",
    "true",
    "yes",
    "on",
    "1_000",
    "0x10",
    "0o10",
    ".inf",
    "nan",
    "null",
    "2020-01-01",
    "١",
)


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize("key", ["unlearn.lr", "unlearn.epochs", "unlearn.seeds"])
def test_what_is_no_number_is_none_in_a_word_and_in_a_file(text: str, key: str, tmp_path: Path) -> None:
    group, name = key.split(".")
    file = tmp_path / "a.yaml"
    file.write_text(f"like: quick\n{group}: {{{name}: {text}}}", encoding="utf8")
    for recipe, words in (("quick", (f"{key}={text}",)), (str(file), ())):
        with pytest.raises(UserError, match=rf"{key}.*: Input should be a"):
            read_recipe(recipe, words)


@pytest.mark.parametrize(
    ("word", "value"), [("1e-5", 1e-5), ("1.0e-5", 1e-5), ("1E+2", 100.0), (".5", 0.5), ("3", 3.0), ("+3.", 3.0)]
)
def test_a_number_is_one_however_it_is_written(word: str, value: float) -> None:
    assert read_recipe("quick", [f"unlearn.lr={word}"]).unlearn.lr == value


WORDS = {
    "unlearn.epochs=5.0": "unlearn.epochs: Input should be a valid integer, got 5.0.",
    "unlearn.lr=1e999": "unlearn.lr: Input should be a finite number, got inf.",
    f"seed={10**30}": "seed: Input should be less than 9223372036854775808",
    f"seed={'9' * 5000}": "seed: Input should be a valid integer, got '999999999999999999999999999…",
    "unlearn.epochs='5'": "unlearn.epochs: Input should be a valid integer, got '5'.",
    "evaluate.sample=1": "evaluate.sample: Input should be a valid boolean, got 1.",
    "law.rungs=[head,head]": "law: a rung is there more than once.",
    "law.betas=[0.1,0.1000000001]": "law: betas holds 0.1 more than once.",
    "trackers=[wandb,wandb]": "a tracker is there more than once.",
    "unlearn.methods=[npo,NPO]": "unlearn: a method or a seed is there more than once.",
    "unlearn.methods=[a/f.py:f,b/f.py:f]": "unlearn: the results of a/f.py:f, b/f.py:f would share a name",
    "unlearn.methods=[a/f.py:GA,GA]": "unlearn: the results of a/f.py:GA, GA would share a name",
    "unlearn.methods=[{name: NPO, bta: 1}]": "unlearn.methods.0.bta: there is no such key. Did you mean beta?",
    "model.lora={rnk: 1}": "model.lora.rnk: there is no such key. Did you mean rank?",
    "model.shape.hiden=3": "model.shape.hiden: there is no such key. Did you mean hidden?",
    "unlearn.lr={a: &x [*x]}": "line 1: &x and *x can't be used; write it out.",
    "unlearn.methods=[!!python/object:os.system x]": "line 1: the tag",
    "unlearn.methods=" + "[" * 5000: "line 1: groups are nested more than 16 deep.",
    "unlearn..lr=1": "Settings are written key=value",
    "unlearn.lr=\udcff": "Settings are written key=value",
}


@pytest.mark.parametrize("word", WORDS)
def test_a_word_that_fits_nowhere_is_told(word: str) -> None:
    with pytest.raises(UserError) as caught:
        read_recipe("quick", [word])
    assert WORDS[word] in f"{caught.value}\n"
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", ["123", "1:30", "true", "012", "[x]", "1e-5", "a: b", "# a"])
def test_text_stays_text_where_text_is_asked_for(name: str) -> None:
    recipe = read_recipe("quick", [f"data.source={name}", f"model.revision={name}", f"about={name}"])
    assert (recipe.data.source, recipe.model.revision, recipe.about) == (name, name, name)
    assert read_recipe("quick", ["model.revision=null"]).model.revision is None


FILES = {
    "a key twice": (
        b"about: a\ndata: {authors: 4}\nabout: b",
        "line 3: about is there already, in line 1; take one out",
    ),
    "an inner key twice": (b"data:\n  authors: 4\n  authors: 5", "line 3: authors is there already, in line 2"),
    "two mistakes": (b"about: !!str a\nabout: &x b", "line 1: the tag tag:yaml.org,2002:str can't be used"),
    "a merge": (b"a: &a {b: 1}\nc: {<<: *a}", "line 2: &a and *a can't be used"),
    "a bomb": (b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]", "line 4: &c and *c can't be used"),
    "a ring": (b"a: &a [*a]", "&a and *a can't be used"),
    "depth": (b"a: " + b"[" * 100_000, "groups are nested more than 16 deep"),
    "depth by lines": (b"\n".join(b" " * i + b"a:" for i in range(400)), "groups are nested more than 16 deep"),
    "length": (b"about: " + b"x" * 2**20, "more than any recipe: is it another file?"),
    "two documents": (b"about: a\n---\nabout: b", "line 2: a second document begins; a recipe is one"),
    "a list": (b"- a", "is not a mapping of keys"),
    "a word": (b"hello", "is not a mapping of keys"),
    "nothing": (b"", "is not a mapping of keys"),
    "a comment": (b"# nothing", "is not a mapping of keys"),
    "a key that is none": (b"[a, b]: 1", "line 1: a key must be a word"),
    "bytes": (bytes(range(256)), "is no UTF-8 text"),
    "UTF-16": ("about: a".encode("utf-16"), "is text in UTF-16"),
    "a NUL": (b"about: \0", "is no UTF-8 text: its byte 8 is null"),
    "a tab": (b"data:\n\tauthors: 4", "line 2: found character '\\t' that cannot start any token"),
    "like nothing": (b"like: quik", "There is no recipe quik. Did you mean quick?"),
    "like a number": (b"like: 5", "is like 5: name a recipe"),
    "like a list": (b"like: [quick]", "is like ['quick']: name a recipe"),
    "like itself": (b"like: a.yaml", "a.yaml is like itself"),
    "like itself by another name": (b"like: ./../{folder}/a.yaml", "is like itself"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_recipe_is_told(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content, said = FILES[kind]
    Path("a.yaml").write_bytes(content.replace(b"{folder}", tmp_path.name.encode()))
    with pytest.raises(UserError) as caught:
        read_recipe("a.yaml")
    assert said in str(caught.value)


def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("\ufefflike: quick\nabout: mine\n", encoding="utf8")
    assert read_recipe(str(tmp_path / "a.yaml")).about == "mine"


NAMES = {
    "": "The recipe is empty",
    ".": "is no file",
    "pipe": "is no file",
    "ring": "Too many levels of symbolic links",
    "x" * 5000: "File name too long",
    "quick/below": "There is no recipe quick/below",
    "~nobody-here/a.yaml": "there is no such user",
    "a\0b": "holds what no path can hold",
}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_file_is_told(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("ring").symlink_to("ring")
    with pytest.raises(UserError) as caught:
        read_recipe(name)
    assert NAMES[name] in str(caught.value)


@given(st.text(max_size=60))
@example("a: [b, {c: d}]")
@example("? a\n: b")
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(UserError):
        read_yaml(text, "it")


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_from_its_own_words(number: float) -> None:
    found = scalar(repr(number))
    assert found == number or (isinstance(number, int) and len(repr(number)) >= 40)
    assert scalar(f"x{number!r}") == f"x{number!r}"


@pytest.mark.parametrize("value", ["x", "true", "1e400", "[1]", "null"])
def test_a_hyperparameter_that_is_no_number_is_told_once(value: str) -> None:
    with pytest.raises(UserError) as told:
        read_recipe("quick", [f"unlearn.methods=[{{name: SimNPO, hyperparameters: {{beta: {value}, gamma: 0}}}}]"])
    assert str(told.value).count("unlearn.methods.0.hyperparameters.beta: it should be a finite number") == 1
    assert "1 mistake(s)" in str(told.value)
