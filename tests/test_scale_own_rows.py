"""One's own rows: what is in both files or twice, what is too long, what is cut, and what is kept of the reference."""

import json

import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode

from records.errors import UserError
from records.store import load
from records.work import run_missing
from scale.data.formats import FORMATS
from scale.data.prompts import Writer, collate
from scale.data.user_rows import read_user_rows
from scale.data.user_sets import encoded, refuse_common, refuse_equal, repeated
from scale.evaluation import drift
from scale.models.folders import language_model
from scale.models.folders.language_model import LanguageModel
from scale.models.loading import scratch
from scale.models.loading.scratch import Shape
from scale.models.reading.scorer import Scorer
from scale.models.reference.cache import ReferenceCache, ReferenceModel
from scale.recipes.method import methods_of
from scale.recipes.recipe import Recipe, UnlearnSettings
from scale.runtime.processes import Processes
from scale.stages.pipeline import Stages
from scale.stages.shared.prepared import context_of
from scale.tasks.rows import of_files
from scale.tasks.rows_told import findings, remarks

TOWNS = ["Brackwater", "Oldham", "Siena", "Kyoto", "Lima", "Turku"]
TEXTS = [f"Question: Where was Ada born?\nAnswer: In {town}." for town in TOWNS]
TOKENIZER = scratch.train_tokenizer(TEXTS, 300)
TOKENIZER.chat_template = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% if m.role == 'assistant' %}<|end|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)
SHAPE = Shape(hidden=16, layers=1, heads=2, feed_forward=16, positions=128)
PLAIN = Writer(TOKENIZER, FORMATS["plain"], 128)


def _file(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return read_user_rows(path)


def _q(question, answer):
    return {"question": question, "answer": answer}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with a tiny model."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    language_model.save(folder, LanguageModel(scratch.from_scratch(TOKENIZER, SHAPE, seed=0), TOKENIZER))
    return str(folder)


def _forget(model, out, forget, retain=None, *, name="NPO", max_length=None, recompute=False, **changes):
    schedule = {"lr": 1e-2, "epochs": 2, "batch": 4, "piece": 2} | changes
    unlearn = UnlearnSettings(methods=(name,), recompute=recompute, **schedule)
    files = {"forget": forget} | ({"retain": retain} if retain else {})
    recipe = Recipe(
        data={"kind": "rows", **{key: str(file.path) for key, file in files.items()}},
        model={"base": model, "prompt": "auto", "longest": max_length},
        finetune=None,
        unlearn=unlearn,
        evaluate={"every": "end", "generate": "end", "new_tokens": 3},
    )
    context = context_of(recipe, Processes("cpu"), of_files(files))
    (method,) = methods_of(unlearn)
    run_missing([Stages(recipe, context, "").single(method, "forget")], out)
    return load(out / "forget")


# --- in both, or twice --------------------------------------------------------------------------------------------

SAME = {
    "the same": (_q("Who?", "She."), _q("Who?", "She.")),
    "case and spaces": (_q("Who?", "She."), _q(" who?  ", "SHE.\n")),
    "composed letters": (_q("Who?", "Zo\u00eb"), _q("Who?", "Zoe\u0308")),
    "a message": (
        _q("Who?", "She."),
        {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "She."}]},
    ),
    "a completion": ({"prompt": "She is", "completion": " Ada"}, _q("She is", "Ada")),
    "a document": ({"text": "Ada was\nborn."}, {"text": "Ada was born."}),
}


@pytest.mark.parametrize("kind", SAME)
def test_a_row_to_forget_and_to_retain_is_refused_by_its_line(kind, tmp_path):
    one, other = SAME[kind]
    forget = _file(tmp_path / "f", _q("x", "y"), one)
    retain = _file(tmp_path / "r", _q("a", "b"), _q("c", "d"), other)
    with pytest.raises(UserError, match=r"r has 1 unusable line\(s\):\n  line 3: .* forgotten too, by line 2 of f"):
        refuse_common(forget, retain)
    assert repeated(_file(tmp_path / "twice", one, other, one)) == 2


def test_one_file_for_both_is_told_as_such(tmp_path):
    forget = _file(tmp_path / "f", _q("x", "y"))
    with pytest.raises(UserError, match="are one file"):
        refuse_common(forget, read_user_rows(tmp_path / "f"))


def test_other_answers_to_the_same_question_are_no_conflict(tmp_path):
    refuse_common(_file(tmp_path / "f", _q("Who?", "She.")), _file(tmp_path / "r", _q("Who?", "I can't say.")))


def test_a_prompt_that_is_written_as_the_format_writes_a_question_is_the_same_row(tmp_path):
    forget = _file(tmp_path / "f", _q("Who?", "She."))
    retain = _file(tmp_path / "r", {"prompt": "Question: Who?\nAnswer: ", "completion": "She."})
    files = {"forget": forget, "retain": retain}
    refuse_common(forget, retain)
    with pytest.raises(UserError, match=r"line 1: .* is to be forgotten too"):
        refuse_equal(files, {name: encoded(file, PLAIN) for name, file in files.items()})


@pytest.mark.parametrize(
    "row",
    [
        {"question": "q", "answer": "a", "text": "t"},
        {"prompt": "p", "question": "q", "answer": "a"},
        {"messages": [], "text": "t"},
        {"question": "q", "answer": ["a"]},
        {"question": 1, "answer": "a"},
        {"text": None},
        {"text": "\u2028"},
        {"text": "a\0b"},
        {"messages": [{"role": "user", "content": ["x"]}, {"role": "assistant", "content": "y"}]},
        {"messages": {"role": "user"}},
        {},
        {"": "a"},
    ],
    ids=str,
)
def test_a_row_of_no_kind_or_of_two_is_refused(row, tmp_path):
    with pytest.raises(UserError, match=r"1 unusable line\(s\):\n  line 1: "):
        _file(tmp_path / "f", row)


# --- too long -----------------------------------------------------------------------------------------------------


def test_rows_that_are_too_long_are_told_all_at_once_with_their_lines(tmp_path):
    long = _q("Where?", "In Brackwater. " * 50)
    file = _file(tmp_path / "f", long, _q("Who?", "She."), long, {"prompt": "x" * 300, "completion": "y"})
    with pytest.raises(UserError, match=r"3 unusable line\(s\)") as caught:
        encoded(file, PLAIN)
    for line in (1, 3, 4):
        assert f"line {line}: " in str(caught.value)
    assert len(str(caught.value)) < 3000


def test_documents_are_cut_and_the_cuts_are_told(model, tmp_path):
    text = {"text": "Ada was born in Brackwater, by the sea. " * 9}
    forget = _file(tmp_path / "f", text, _q("Who?", "She."))
    found = _forget(model, tmp_path / "o", forget, max_length=40)
    whole = len(PLAIN.document(text["text"])[0].ids) if len(PLAIN.document(text["text"])) == 1 else None
    facts = found.values["rows"]["forget"]
    assert (facts["rows"], facts["cut"], facts["longest"]) == (2, 1, 40)
    assert facts["pieces"] == len(found.arrays["forget.before_nll"]) > 4
    assert whole is None or facts["tokens"] >= whole
    assert found.values["said"][0] == (
        f"1 text(s) to forget are longer than 40 tokens and were cut: 2 rows are {facts['pieces']} pieces."
    )


def test_recomputing_activations_changes_no_number(model, tmp_path):
    forget = _file(tmp_path / "f", _q("Who?", "She."), {"text": "Ada was born in Brackwater."})
    one = _forget(model, tmp_path / "a", forget)
    other = _forget(model, tmp_path / "b", forget, recompute=True)
    assert one.values["after"] == other.values["after"]


# --- what is kept of the reference --------------------------------------------------------------------------------


class Largest(TorchDispatchMode):
    """The most numbers that one tensor held which a library function made."""

    def __init__(self):
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else [made]:
            if isinstance(one, torch.Tensor) and one.is_floating_point():
                self.most = max(self.most, one.numel())
        return made


def _many(count):
    return [_q(f"Where was no. {i:03d} born?", f"In {TOWNS[i % len(TOWNS)]}.") for i in range(count)]


@pytest.mark.parametrize("name", ["NPO", "NPO+RT"])
def test_no_array_grows_with_the_rows_to_retain(name, model, tmp_path, monkeypatch):
    monkeypatch.setattr(drift, "MOST", 4 * 16 * 200)  # states of 200 tokens
    monkeypatch.setattr("scale.models.reading.scoring.TOKENS_PER_BATCH", 256)
    forget = _file(tmp_path / "f", *[_q(f"Who is {i}?", "She.") for i in range(4)])
    most = []
    for count in (60, 240):
        with Largest() as seen:
            found = _forget(
                model, tmp_path / f"o{count}", forget, _file(tmp_path / f"r{count}", *_many(count)), name=name
            )
        most.append(seen.most)
        measured = found.values["kl_rows"]["retain"]
        assert 10 < measured < 60
        assert f"on the first {measured} of {count} pieces" in " ".join(found.values["said"])
    assert most[0] == most[1]


def test_a_kl_on_all_rows_is_the_same_however_much_room_there_is(model, tmp_path, monkeypatch):
    forget, retain = _file(tmp_path / "f", *_many(3)), _file(tmp_path / "r", *_many(12)[3:])
    whole = _forget(model, tmp_path / "a", forget, retain)
    assert whole.values["kl_rows"] == {"forget": 3, "retain": 9}
    first = read_user_rows(tmp_path / "r")._replace(rows=retain.rows[:4], lines=retain.lines[:4])
    few = _forget(model, tmp_path / "b", forget, first)
    tokens = sum(row.targets for (row,) in encoded(first, PLAIN._replace(format=FORMATS["chat"])))
    monkeypatch.setattr(drift, "MOST", 4 * 16 * tokens)
    part = _forget(model, tmp_path / "c", forget, retain)
    assert part.values["kl_rows"]["retain"] == 4
    assert part.values["after"]["retain_kl"] == pytest.approx(few.values["after"]["retain_kl"], rel=1e-6)
    assert part.values["after"]["retain_nll"] == whole.values["after"]["retain_nll"]


# --- what it has come to ------------------------------------------------------------------------------------------


def _values(before, after, *, kept=None, changed=True, kl_rows=None):
    values = {"method": "NPO", "changed": changed, "rows": {}, "kl_rows": kl_rows or {}}
    values["before"] = {"forget_probability": before} | ({"retain_probability": kept[0]} if kept else {})
    values["after"] = {"forget_probability": after} | ({"retain_probability": kept[1]} if kept else {})
    return values


SAID = [
    ((0.12, 0.01), {}, "probability of 0.12 a token before: it hardly knew them."),
    ((0.12, 0.01), {}, "It gives them 0.01 now, 8 % of that: there was little to forget."),
    ((0.4, 0.39), {}, "it knew them in part."),
    ((0.7, 0.1), {}, "it knew them well."),
    ((0.95, 0.02), {}, "It gives them 0.02 now, 2 % of that: next to nothing of them is left."),
    ((0.9, 0.3), {}, "much is forgotten"),
    ((0.9, 0.7), {}, "a little is forgotten"),
    ((0.9, 0.89), {}, "next to nothing is forgotten"),
    ((0.5, 0.6), {}, "likelier than before, so nothing is forgotten"),
    ((0.0, 0.0), {}, "as before: there was little to forget"),
    ((0.9, 0.1), {}, "No rows to retain were given"),
    ((0.9, 0.1), {"kept": (0.8, 0.79)}, "had 0.8 a token before and have 0.79 now: they are kept."),
    ((0.9, 0.1), {"kept": (0.8, 0.6)}, "some of it is lost"),
    ((0.9, 0.1), {"kept": (0.8, 0.1)}, "much of it is lost"),
    ((0.9, 0.1), {"kept": (0.1, 0.1)}, "hardly knew them before, so there was little to keep"),
    ((0.9, 0.1), {"kept": (0.8, 0.8)}, "NPO does not train on the rows to retain"),
    ((0.9, 0.9), {"changed": False}, "Not one weight has changed"),
    ((0.9, 0.1), {}, "can't be known without a model trained without them"),
]


@pytest.mark.parametrize(("numbers", "more", "said"), SAID, ids=range(len(SAID)))
def test_the_numbers_are_said_in_words(numbers, more, said):
    assert said in " ".join(findings(_values(*numbers, **more), trains_on_retain=False))


def test_rows_that_repeat_are_told():
    facts = {"rows": 3, "repeated": 1, "cut": 0, "pieces": 3, "tokens": 9, "longest": 3}
    (said,) = remarks({"forget": facts, "retain": facts}, max_length=9)
    assert said.startswith("1 row(s) to forget repeat one before them")


def test_states_on_disk_are_those_in_memory_and_a_changed_byte_is_noticed(tmp_path):
    scorer = Scorer(scratch.from_scratch(TOKENIZER, SHAPE, seed=0))
    rows = [PLAIN.encode(f"Who is no. {i}{' then' * (i % 5)}?", "She.") for i in range(40)]
    reference_model = ReferenceModel(scorer, "w", PLAIN.pad, Processes("cpu"))
    kept = ReferenceCache(tmp_path).states(reference_model, rows)
    part = kept.of([3, 0], [rows[3], rows[0]], kept.head())
    batch = collate([rows[3], rows[0]], PLAIN.pad)
    hidden = scorer.hidden(batch.ids, batch.mask)
    for place, row in enumerate((rows[3], rows[0])):
        where = slice(row.first - 1, len(row.ids) - 1)
        torch.testing.assert_close(part.hidden[place, : row.targets], hidden[place, where])
    (path,) = tmp_path.glob("states-*")
    assert load_file(path)["hidden"].shape == (sum(row.targets for row in rows), 16)
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        ReferenceCache(tmp_path).states(reference_model, rows)
