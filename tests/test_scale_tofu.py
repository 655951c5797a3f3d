"""Rows of TOFU: what is read, how it is split, and what is said about files that can't be used."""

import json

import pytest

from records.errors import UserError
from scale.tofu import AUTHOR, FORGET_FILE, RETAIN_FILE, Row, Subset, read_rows, split


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


def test_absent_folder_and_absent_file_say_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"There is no folder .*nowhere.*or name none to run on the embedded"):
        Subset(1, 1).read(tmp_path / "nowhere")
    with pytest.raises(UserError, match=f"There is no file {RETAIN_FILE}"):
        Subset(1, 1).read(tmp_path)


def test_the_subset_is_the_last_authors_forgotten_and_the_first_retained(tmp_path):
    _write(tmp_path / FORGET_FILE, [_row(f"f{i}") for i in range(3 * AUTHOR)])
    _write(tmp_path / RETAIN_FILE, [_row(f"r{i}") for i in range(3 * AUTHOR)])
    corpus = Subset(forget_authors=1, retain_authors=2).read(tmp_path)
    assert [row.question for row in corpus.forget] == [f"Qf{i}?" for i in range(2 * AUTHOR, 3 * AUTHOR)]
    assert [row.question for row in corpus.retain] == [f"Qr{i}?" for i in range(2 * AUTHOR)]
    with pytest.raises(UserError, match="has 60 rows, and 4 authors of 20 rows are asked of it"):
        Subset(forget_authors=4, retain_authors=1).read(tmp_path)


def test_a_row_can_not_be_forgotten_and_retained():
    rows = [Row(f"Q{i}?", "Yes.") for i in range(2 * AUTHOR)]
    with pytest.raises(UserError, match="20 rows are to be forgotten and retained at once"):
        Subset(forget_authors=1, retain_authors=2).take(forget=rows, retain=rows, source="test")


def test_the_hash_sees_every_word():
    rows = [Row(f"Q{i}?", "Yes.", "Indeed.", ("No.",)) for i in range(2 * AUTHOR)]
    other = [*rows[:-1], Row(rows[-1].question, "Yes.", "Indeed.", ("Never.",))]
    subset = Subset(1, 1)
    found = [subset.take(forget=r, retain=r, source="test").describe() for r in (rows, rows, other)]
    assert found[0] == found[1]
    assert found[0]["hash"] != found[2]["hash"]
    assert (found[0]["forget_rows"], found[0]["retain_rows"]) == (AUTHOR, AUTHOR)


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
    corpus = Subset(forget_authors=3, retain_authors=8).read(tofu)
    assert [pairs[row.question, row.answer] for row in corpus.forget] == list(range(3940, 4000))
    assert [pairs[row.question, row.answer] for row in corpus.retain] == list(range(160))
