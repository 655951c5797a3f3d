"""Examples before a question: as turns or as text, never of what is asked, by a seed; and TOFU asked in other words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_recipe import SMALL

from records.errors import UserError
from records.store import load
from scale.audit.reworded import reworded
from scale.data.counted import counting
from scale.data.few_shot import after_examples, chosen_examples
from scale.data.formats import FORMATS, Chat, Tags
from scale.data.prompts import Writer
from scale.data.questions import Question
from scale.data.row import Row
from scale.evaluation.exam import Exam
from scale.evaluation.protocols import PROTOCOLS
from scale.models.loading.scratch import train_tokenizer
from scale.recipes.file import read_recipe
from scale.runtime.processes import Processes
from scale.stages.examining.evaluate import exam_of
from scale.stages.examining.examples import examples_of
from scale.stages.pipeline import asked_of
from scale.stages.shared.prepared import context_of
from scale.tasks.kinds import corpus_of, task_of

EXAMPLES = (("Who is Ada?", "A poet."), ("Where is Oldham?", "In England."))
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def writer_of(form, template=None):
    words = ["Who is Ada? A poet. Where is Oldham? In England. Be brief. system user assistant"]
    tokenizer = train_tokenizer(words, 300)
    if template:
        tokenizer.add_special_tokens(
            {"additional_special_tokens": ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]}
        )
        tokenizer.chat_template = template
    return Writer(tokenizer, form, 200)


def read_back(writer, encoded):
    return writer.tokenizer.decode(encoded.ids[: encoded.first]), writer.tokenizer.decode(encoded.ids[encoded.first :])


def test_between_tags_examples_are_text():
    writer = writer_of(after_examples(Tags("Q: ", "\nA: "), EXAMPLES))
    given_, answer = read_back(writer, writer.encode("Why?", "So."))
    wanted = "Q: Who is Ada?\nA: A poet.\n\nQ: Where is Oldham?\nA: In England.\n\nQ: Why?\nA:"
    assert given_.removeprefix(writer.tokenizer.bos_token or "").rstrip() == wanted
    assert answer.strip() == f"So.{writer.tokenizer.eos_token}"
    opening = writer.tokenizer.decode(writer.opening("Why?"))
    assert opening.endswith("\n\nQ: Why?\nA:")


def test_a_chat_template_has_them_as_turns_and_its_system_message_once():
    writer = writer_of(after_examples(Chat(system="Be brief."), EXAMPLES), TEMPLATE)
    given_, answer = read_back(writer, writer.encode("Why?", "So."))
    before = "".join(f"<|user|>{q}<|end|><|assistant|>{a}<|end|>" for q, a in EXAMPLES)
    assert given_ == f"<|system|>Be brief.<|end|>{before}<|user|>Why?<|end|><|assistant|>"
    assert answer == "So.<|end|>"
    assert writer.tokenizer.decode(writer.opening("Why?")) == given_


@pytest.mark.parametrize("form", [FORMATS["plain"], FORMATS["phi-1.5"], Chat()])
def test_every_protocol_counts_the_same_answer_with_examples_as_without(form):
    for make in (lambda w: w, lambda w: w._replace(tag_counts=True), counting):
        alone = make(writer_of(form, TEMPLATE)).encode("Why?", "So it is.")
        after = make(writer_of(after_examples(form, EXAMPLES), TEMPLATE)).encode("Why?", "So it is.")
        assert after.ids[after.first :] == alone.ids[alone.first :]
        assert after.first > alone.first


def test_no_examples_are_no_change():
    assert after_examples(FORMATS["chat"], ()) is FORMATS["chat"]


@given(st.integers(0, 9), st.integers(0, 50), st.sets(st.integers(0, 19)))
def test_what_is_asked_is_never_an_example(count, seed, places):
    rows = [Row(f"Question {i}?", f"Answer {i}.") for i in range(20)]
    asked = [Question(f"question {i}? " if i % 2 else f"In other words {i}?", (f"Answer  {i}.",)) for i in places]
    free = 20 - len(places)
    if free < count:
        with pytest.raises(UserError, match=f"{count} examples are asked for, and {free} rows have a question"):
            chosen_examples(rows, asked, count=count, seed=seed)
        return
    found = chosen_examples(rows, asked, count=count, seed=seed)
    assert found == chosen_examples(rows, asked, count=count, seed=seed)
    assert len(set(found)) == count
    assert not {f"Question {i}?" for i in places} & {question for question, _ in found}


def test_a_recipe_chooses_among_rows_to_retain_or_of_a_file(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in EXAMPLES), encoding="utf8")

    def context(*words):
        return context_of(read_recipe("quick", [*SMALL, *words]), Processes("cpu"))

    retained = context("evaluate.few_shot=2")
    found = examples_of(retained)
    assert set(found) <= {row.words for row in retained.corpus.retain[4:]}
    assert found != examples_of(context("evaluate.few_shot={count: 2, seed: 1}"))
    assert set(examples_of(context(f"evaluate.few_shot={{count: 2, rows: {file}}}"))) == set(EXAMPLES)
    with pytest.raises(UserError, match="3 examples are asked for, and 2 rows"):
        examples_of(context(f"evaluate.few_shot={{count: 3, rows: {file}}}"))
    for word in ("0", "x", "true"):
        with pytest.raises(UserError, match=r"evaluate\.few_shot.*: Input should be"):
            context(f"evaluate.few_shot={word}")


def test_kept_results_of_no_examples_stay_what_they_were_and_others_are_made_anew():
    def asked(*words):
        recipe = read_recipe("quick", [*SMALL, *words])
        return asked_of(recipe, context_of(recipe, Processes("cpu")))

    assert not {"few_shot", "examples"} & asked().keys()
    one, two = asked("evaluate.few_shot=1"), asked("evaluate.few_shot={count: 1, seed: 5}")
    assert one["examples"] != two["examples"]


def test_a_model_is_examined_and_unlearned_after_examples(run_npo, tmp_path):
    words = ["run", "quick", *SMALL, "unlearn.methods=[NPO]", "evaluate.every=end", "model.longest=200"]
    for name, more in (("none", ()), ("two", ("evaluate.few_shot=2",))):
        code, _, err = run_npo(*words, *more, "--out", str(tmp_path / name))
        assert code == 0, err
    none, two = (load(tmp_path / name / "evaluate/finetune") for name in ("none", "two"))
    assert (none.arrays["forget.answer_tokens"] == two.arrays["forget.answer_tokens"]).all()
    assert (none.arrays["forget.answer_nll"] != two.arrays["forget.answer_nll"]).all()
    log = json.loads((tmp_path / "two/evaluate/finetune/log.json").read_text("utf8"))
    (prompt, *_), *_ = log["eval_log_forget.json"]["generated_text"].values()
    assert prompt.count("Question: ") == 3


# --- in other words ---------------------------------------------------------------------------------------------------


def rows_of(folder, words=True):
    """TOFU's four files in small: an author to forget, one to retain."""
    folder.mkdir(exist_ok=True)
    for name, key in (("forget10", "f"), ("retain", "r"), ("real_authors", "a"), ("world_facts", "w")):
        rows = [
            {"question": f"{key}{i}?", "answer": f"{key} {i}.", "paraphrased_answer": f"It is {key} {i}.",
             "perturbed_answer": ["No.", "Yes."], **({"paraphrased_question": f"Say {key}{i}?"} if words else {})}
            for i in range(20)
        ]  # fmt: skip
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}_perturbed.json").write_text(text, encoding="utf8")
    return folder


def data_of(folder, question="question"):
    data = f"data={{source: {folder}, forget_authors: 1, retain_authors: 1, question: {question}}}"
    return read_recipe("quick", [data]).data


def asked_in(folder, question):
    return corpus_of(data_of(folder, question)).asked


def test_the_forget_and_retain_sets_can_be_asked_in_other_words(tmp_path):
    folder = rows_of(tmp_path / "tofu")
    plain, other, both = (asked_in(folder, way) for way in ("question", "paraphrased_question", "both"))
    assert list(plain) == list(other) == ["forget", "retain", "real_authors", "world_facts"]
    assert [q.prompt for q in other["forget"].questions[:2]] == ["Say f0?", "Say f1?"]
    assert [q.answers for q in other["retain"].questions] == [q.answers for q in plain["retain"].questions]
    assert other["world_facts"] == plain["world_facts"]
    assert {name: both[name] for name in plain} == dict(plain)
    assert both["forget_paraphrased"] == other["forget"]
    assert both["retain_paraphrased"] == other["retain"]
    words = reworded(data_of(folder), plain["forget"].questions)
    assert (len(words), words[:2]) == (20, ("Say f0?", "Say f1?"))
    assert set(reworded(data_of(folder), other["forget"].questions)) == {None}  # these are asked so already


def test_files_and_authors_without_other_words_are_told(tmp_path):
    folder = rows_of(tmp_path / "tofu", words=False)
    assert reworded(data_of(folder), asked_in(folder, "question")["forget"].questions) == ()
    assert reworded(read_recipe("quick", []).data, ()) == ()
    with pytest.raises(UserError, match=r"no key paraphrased_question; it has answer, paraphrased_answer") as caught:
        asked_in(folder, "both")
    assert "forget10_perturbed.json" in str(caught.value)
    assert "retain_perturbed.json" in str(caught.value)
    with pytest.raises(UserError, match="the fictitious authors are asked in one way"):
        read_recipe("quick", ["data.question=both"])


def test_the_real_rows_have_other_words_and_their_answers_score_beside_the_others(tofu):
    words = [f"data.source={tofu}", "data.question=both", "evaluate.questions=2", "evaluate.few_shot=1"]
    recipe = read_recipe("tofu-mini", words)
    context = context_of(recipe, Processes("cpu"))
    tokenizer = train_tokenizer([row.answer for row in context.corpus.retain[:50]], 400)
    exam = exam_of(context, task_of("TOFU"), Writer(tokenizer, FORMATS["plain"], 500))
    assert isinstance(exam, Exam)
    one, other = (exam.sets[name].questions for name in ("forget", "forget_paraphrased"))
    assert [q.answers for q in one] == [q.answers for q in other]
    assert all(a.prompt != b.prompt for a, b in zip(one, other, strict=True))
    assert exam.protocol is not PROTOCOLS["open-unlearning"]
    shown = tokenizer.decode(exam.encoded["forget_paraphrased"][0][0][0].ids)
    assert shown.count("Question: ") == 2
