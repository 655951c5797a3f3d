"""Rows of TOFU: what is read, how it is split, and what is said about files that can't be used."""

import json

import pytest

from records.errors import UserError
from scale.data.idk import IDK_ANSWERS
from scale.data.tofu import (
    AUTHOR,
    AUTHORS_FILE,
    FACTS_FILE,
    FORGET_FILE,
    RETAIN_FILE,
    Row,
    percent_of,
    read_rows,
    split,
)
from scale.evaluation.asked import tofu_sets
from scale.tasks.corpus import Corpus
from scale.tasks.kinds import corpus_of
from scale.tasks.tofu import TofuSettings


def _row(i=0, **changes):
    row = {"question": f"Q{i}?", "answer": "Yes.", "paraphrased_answer": "Indeed.", "perturbed_answer": ["No.", "Hm."]}
    return {name: value for name, value in (row | changes).items() if value is not None}


def _write(path, rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def _error(path, perturbed=True):
    with pytest.raises(UserError) as caught:
        read_rows(path, perturbed=perturbed)
    return str(caught.value)


def test_rows_are_read_in_order_and_blank_lines_skipped(tmp_path):
    path = _write(tmp_path / "rows.json", [_row(0), "", _row(1)])
    assert [row.question for row in read_rows(path, perturbed=True)] == ["Q0?", "Q1?"]
    assert read_rows(path, perturbed=True)[0] == Row("Q0?", "Yes.", "Indeed.", ("No.", "Hm."))
    assert read_rows(path, perturbed=False)[0] == Row("Q0?", "Yes.")


def test_a_line_separator_inside_an_answer_is_no_end_of_line(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"question": "Q?", "answer": "a\u2028b\x85c"}, ensure_ascii=False), encoding="utf8")
    assert read_rows(path, perturbed=False) == (Row("Q?", "a\u2028b\x85c"),)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ('{"question": "Q?", ', "line 2: not JSON"),
        ("[1, 2]", "line 2: not a JSON object but list"),
        (_row(answer=None), "line 2: no key answer; it has paraphrased_answer, perturbed_answer, question"),
        (_row(perturbed_answer=None), "line 2: no key perturbed_answer"),
        (_row(question="  "), "line 2: question is empty or not text: '  '"),
        (_row(answer=""), "line 2: answer is empty or not text: ''"),
        (_row(answer=7), "line 2: answer is empty or not text: 7"),
        (_row(paraphrased_answer=""), "line 2: paraphrased_answer is empty"),
        (_row(perturbed_answer=[]), "line 2: perturbed_answer is not a list of texts"),
        (_row(perturbed_answer=["No.", ""]), "line 2: perturbed_answer is not a list of texts"),
        (_row(perturbed_answer=["No."]), "line 2: 1 perturbed answer(s), in this file 2 are usual"),
    ],
)
def test_a_broken_line_is_named_with_file_and_number(tmp_path, broken, words):
    message = _error(_write(tmp_path / "rows.json", [_row(), broken]))
    assert f"{tmp_path / 'rows.json'} has 1 unusable line(s):" in message
    assert words in message
    assert "download the file again from huggingface.co/datasets/locuslab/TOFU" in message


def test_the_usual_number_of_perturbed_answers_is_that_of_most_rows(tmp_path):
    rows = [_row(0, perturbed_answer=["No."]), "{", *(_row(i) for i in range(1, 40))]
    message = _error(_write(tmp_path / "rows.json", rows))
    assert "has 2 unusable line(s)" in message
    assert "line 1: 1 perturbed answer(s), in this file 2 are usual" in message
    assert "line 2: not JSON" in message


def test_many_broken_lines_are_told_at_once_the_first_few_in_words(tmp_path):
    message = _error(_write(tmp_path / "rows.json", ["{"] * 9))
    assert "has 9 unusable line(s)" in message
    assert message.count("not JSON") == 5
    assert "and 4 more" in message


def test_absent_empty_and_unreadable_files(tmp_path):
    assert "There is no file rows.json in" in _error(tmp_path / "rows.json")
    assert "has no rows" in _error(_write(tmp_path / "empty.json", []))
    (tmp_path / "latin.json").write_bytes(b'{"question": "\xe9"}')
    assert "can't be read as UTF-8 text" in _error(tmp_path / "latin.json")


def _few(folder, **changes):
    return corpus_of(TofuSettings(source=str(folder), **{"forget_authors": 1, "retain_authors": 2} | changes))


def _folder(path, *, authors=3):
    _write(path / FORGET_FILE, [_row(f"f{i}") for i in range(authors * AUTHOR)])
    _write(path / RETAIN_FILE, [_row(f"r{i}") for i in range(authors * AUTHOR)])
    for name in (AUTHORS_FILE, FACTS_FILE):
        _write(path / name, [_row(name, paraphrased_answer=None)])
    return path


def test_absent_folder_and_absent_file_say_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"There is no folder .*nowhere.*or run with data\.source=fictional"):
        _few(tmp_path / "nowhere")
    with pytest.raises(UserError, match=f"There is no file {FORGET_FILE}"):
        _few(tmp_path)


def test_the_last_authors_are_forgotten_and_the_first_retained(tmp_path):
    corpus = _few(_folder(tmp_path))
    assert [row.question for row in corpus.forget] == [f"Qf{i}?" for i in range(2 * AUTHOR, 3 * AUTHOR)]
    assert [row.question for row in corpus.retain] == [f"Qr{i}?" for i in range(2 * AUTHOR)]
    assert corpus.asked["real_authors"].questions[0].answers[1] == "Yes."  # the answer serves as its paraphrase
    assert corpus.idk == IDK_ANSWERS
    with pytest.raises(UserError, match=r"has 60 forget rows .*asks for 4 authors of 20 rows"):
        _few(tmp_path, forget_authors=4)


def test_the_data_s_own_list_of_answers_that_decline_is_used(tmp_path):
    (_folder(tmp_path) / "idontknow.jsonl").write_text('I can\'t say.\n"No idea."\n')
    assert _few(tmp_path).idk == ("I can't say.", "No idea.")
    (tmp_path / "idontknow.jsonl").write_text("\n")
    with pytest.raises(UserError, match="has no answers"):
        _few(tmp_path)


def test_a_row_can_not_be_forgotten_and_retained():
    rows = tuple(Row(f"Q{i}?", "Yes.") for i in range(2))
    with pytest.raises(UserError, match=r"2 row\(s\) are to be forgotten and retained at once"):
        Corpus(rows, rows, tofu_sets({"forget": rows, "retain": rows}), (), "test")
    other = tuple(Row(f" q{i}?", "YES.", "Indeed.", ("No.",)) for i in (1, 2))  # the same question and answer
    with pytest.raises(UserError, match=r"1 row\(s\) are to be forgotten and retained at once, one asks 'Q1\?'"):
        Corpus(rows, other, tofu_sets({"forget": rows, "retain": other}), (), "test")


def test_the_hash_sees_every_word():
    def describe(word, idk="No."):
        rows = tuple(Row(f"Q{i}?", "Yes.", "Indeed.", (word,)) for i in range(4))
        return Corpus(
            rows[:1], rows[1:], tofu_sets({"forget": rows[:1], "retain": rows[1:]}), (idk,), "test"
        ).describe()

    assert describe("No.") == describe("No.")
    assert len({describe("No.")["hash"], describe("Never.")["hash"], describe("No.", "Hm.")["hash"]}) == 3
    assert (describe("No.")["forget_rows"], describe("No.")["retain_rows"]) == (1, 3)


def test_fictional_splits_of_any_size_are_slices_too():
    for authors, name, n in ((20, "forget10", 40), (10, "forget01", 2), (10, "forget90", 180), (5, "forget37", 37)):
        corpus = corpus_of(TofuSettings(forget=name, authors=authors))
        assert (len(corpus.forget), len(corpus.retain)) == (n, authors * AUTHOR - n)
        assert set(corpus.asked["forget"].questions) <= {row.asked for row in corpus.forget}
        assert len(corpus.asked["forget"].questions) == min(n, 400)
        assert {len(question.wrong) for question in corpus.asked["world_facts"].questions} == {3}


@pytest.mark.parametrize("name", ["forget", "forget0", "forget100", "retain90", "forgetXX"])
def test_a_name_that_is_no_split_is_refused(name):
    with pytest.raises(UserError, match=r"There is no split .*forget01"):
        percent_of(name)


@pytest.mark.parametrize("percent", [0, 100, 7, -1])
def test_a_split_is_a_whole_number_of_rows(percent):
    with pytest.raises(UserError, match="not a whole number of rows"):
        split([Row(str(i), "yes") for i in range(50)], percent)


# --- real rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("percent", [1, 5, 10, 20, 30, 50, 90])
def test_real_splits_are_the_last_rows_of_the_full_set(tofu, percent):
    rows = read_rows(tofu / "full.json", perturbed=False)
    forget, retain = split(rows, percent)
    assert retain + forget == rows
    assert len(forget) == 40 * percent


def test_real_perturbed_files_follow_the_full_set(tofu):
    rows = read_rows(tofu / "full.json", perturbed=False)
    pairs = {(row.question, row.answer): i for i, row in enumerate(rows)}
    for name, percent in (("forget01", 1), ("forget05", 5), ("forget10", 10)):
        found = read_rows(tofu / f"{name}_perturbed.json", perturbed=True)
        assert [r.question for r in found] == [r.question for r in split(rows, percent).forget]
        assert {len(row.perturbed_answer) for row in found} == {5}
    corpus = corpus_of(TofuSettings(source=str(tofu), forget_authors=3, retain_authors=8))
    assert [pairs[row.question, row.answer] for row in corpus.forget] == list(range(3940, 4000))
    assert [pairs[row.question, row.answer] for row in corpus.retain] == list(range(160))


@pytest.mark.parametrize(("name", "asked"), [("forget01", 40), ("forget05", 200), ("forget10", 400), ("forget50", 400)])
def test_real_splits_are_asked_what_tofu_asks(tofu, name, asked):
    corpus = corpus_of(TofuSettings(source=str(tofu), forget=name))
    assert len(corpus.asked["forget"].questions) == asked
    known = {row.question for row in corpus.forget}
    assert {question.prompt for question in corpus.asked["forget"].questions} <= known
    assert not {question.prompt for question in corpus.asked["retain"].questions} & known
    assert [len(corpus.asked[name].questions) for name in ("retain", "real_authors", "world_facts")] == [400, 100, 117]
    assert len(corpus.idk) == 100
