"""The documents and questions of MUSE: made from a seed, or read from files in every layout, mistakes told at once."""

import json
import random
import re

import pytest

from records.errors import UserError
from scale.data.muse import FOLDS, MuseChoice, muse_corpus
from scale.data.stories import KINDS, quiz, stories

SMALL = {"stories": 4, "questions": 6}


def of(**settings):
    return muse_corpus(MuseChoice(**{**SMALL, **settings}))


# --- made -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_story_has_an_opening_and_facts_that_no_other_has_in_its_words(kind):
    told = stories(kind, 40, seed=0)
    assert len({story.text for story in told}) == len({story.text[: story.opening] for story in told}) == 40
    assert len({one.question for story in told for one in story.asked}) == 40 * 5
    for story in told:
        assert story.text[: story.opening].endswith(".")
        assert story.text[story.opening] == " "
        assert not re.search(r"[{}]|  ", story.text)
        assert all(one.answer in story.text for one in story.asked)


def test_the_seed_decides_and_more_stories_change_none_before_them():
    random.seed(5)
    before = random.getstate()
    assert stories("news", 3, seed=1) == stories("news", 9, seed=1)[:3]
    assert stories("news", 3, seed=1) != stories("news", 3, seed=2)
    assert of() == of() != of(seed=1)
    assert random.getstate() == before


def test_the_embedded_sets_have_no_document_and_no_question_in_common():
    made = of(scale=FOLDS)
    sets = [set(part) for part in (made.forget, made.retain, made.kept, made.others)]
    assert sum(map(len, sets)) == len(set().union(*sets))
    assert set(made.members) < sets[0]
    asked = [one for part in (made.forget_quiz, made.retain_quiz) for one in (*part.asked, *part.shown)]
    assert len(set(asked)) == len(asked) == 2 * (10 + SMALL["questions"])
    for part, documents in ((made.forget_quiz, made.forget), (made.retain_quiz, made.kept)):
        assert all(any(quiz([one]) in text for text in documents) for one in (*part.asked, *part.shown))
    assert [f"{one.prompt} {one.truth}" for one in made.verbatim] == list(made.members)


def test_folds_and_scales_forget_other_sets_of_what_the_target_was_trained_on():
    plain, folds = of(), [of(fold=i) for i in range(1, FOLDS + 1)]
    scales = [of(scale=i) for i in range(1, FOLDS + 1)]
    assert plain.forget == folds[0].forget == scales[0].forget
    assert plain.later == scales[-1].later == ()
    assert [sum(len(one.forget) for one in folds[:i]) for i in range(1, FOLDS + 1)] == [len(s.forget) for s in scales]
    every = {text for one in folds for text in one.forget}
    assert all({*one.forget, *one.later} == every for one in (*folds, *scales))
    assert all(len(one.forget) + len(one.later) == len(every) for one in (*folds, *scales))
    assert all(one.members == plain.members and one.forget_quiz == plain.forget_quiz for one in (*folds, *scales))
    assert "set 2 of 4" in folds[1].source
    assert "sets 1 to 3" in scales[2].source


# --- read -------------------------------------------------------------------------------------------------------

TEXTS = {
    **{("raw", name): [f"{name} one", f"{name} two"] for name in ("forget", "retain1", "retain2", "holdout")},
    **{("privleak", name): [f"private {name}"] for name in ("forget", "retain", "holdout")},
    **{("sust", f"forget_{i}"): [f"fold {i}"] for i in range(1, 5)},
    **{("scal", f"forget_{i}"): [f"fold {j}" for j in range(1, i + 1)] for i in range(1, 5)},
}
ROWS = {
    ("verbmem", "forget"): [{"prompt": "It began", "gt": "and it ended", "rougeL_target": 0.5}],
    **{
        ("knowmem", split): [{"question": f"{split}?", "answer": "yes"}]
        for split in ("forget_qa", "forget_qa_icl", "retain_qa", "retain_qa_icl")
    },
}


def as_authors_write(folder):
    """JSON arrays, of plain strings where a row is a text, as MUSE's load_data.py leaves them."""
    for (config, split), rows in (TEXTS | ROWS).items():
        (folder / config).mkdir(parents=True, exist_ok=True)
        (folder / config / f"{split}.json").write_text(json.dumps(rows), encoding="utf8")


def as_lines(folder):
    """JSON lines of objects, under the names of the dataset's older commits."""
    for (config, split), rows in (TEXTS | ROWS).items():
        (folder / config).mkdir(parents=True, exist_ok=True)
        name = split.replace("retain_qa", "retain2_qa")
        lines = [json.dumps(row if isinstance(row, dict) else {"text": row}) for row in rows]
        (folder / config / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf8")


@pytest.mark.parametrize("write", [as_authors_write, as_lines])
@pytest.mark.parametrize("inner", ["", "news"])
def test_files_in_each_layout(tmp_path, write, inner):
    write(tmp_path / inner)
    found = muse_corpus(MuseChoice(source=str(tmp_path)))
    assert found.forget == ("forget one", "forget two")
    assert (found.retain, found.kept) == (("retain1 one", "retain1 two"), ("retain2 one", "retain2 two"))
    assert found.later == ("fold 1", "fold 2", "fold 3", "fold 4")
    assert found.verbatim == (("It began", "and it ended"),)
    assert found.forget_quiz == ((("forget_qa?", "yes"),), (("forget_qa_icl?", "yes"),))
    assert found.retain_quiz == ((("retain_qa?", "yes"),), (("retain_qa_icl?", "yes"),))
    assert (found.members, found.known, found.others) == tuple(
        (f"private {x}",) for x in ("forget", "retain", "holdout")
    )
    third = muse_corpus(MuseChoice(source=str(tmp_path), fold=3))
    assert (third.forget, third.later) == (("fold 3",), ("fold 1", "fold 2", "fold 4"))
    assert muse_corpus(MuseChoice(source=str(tmp_path), scale=2)).forget == ("fold 1", "fold 2")


def test_a_text_file_is_one_document_and_without_a_train_set_there_is_no_later_one(tmp_path):
    as_authors_write(tmp_path)
    (tmp_path / "raw" / "forget.json").unlink()
    (tmp_path / "raw" / "forget.txt").write_text("one\n\ntwo", encoding="utf8")
    (tmp_path / "scal" / "forget_4.json").unlink()
    found = muse_corpus(MuseChoice(source=str(tmp_path)))
    assert found.forget == ("one\n\ntwo",)
    assert found.later == ()


def test_all_that_is_missing_or_malformed_is_told_at_once(tmp_path):
    as_authors_write(tmp_path)
    (tmp_path / "raw" / "retain1.json").unlink()
    (tmp_path / "raw" / "forget.json").write_text('["fine", "", 3]', encoding="utf8")
    (tmp_path / "verbmem" / "forget.json").write_text('[{"prompt": "It began"}]', encoding="utf8")
    (tmp_path / "privleak" / "holdout.json").write_text("[]", encoding="utf8")
    (tmp_path / "knowmem" / "forget_qa.json").write_text("{", encoding="utf8")
    with pytest.raises(UserError) as caught:
        muse_corpus(MuseChoice(source=str(tmp_path)))
    told = str(caught.value)
    assert f"{tmp_path} has no raw/retain1 (.json, .jsonl, .parquet or .txt)." in told
    assert "forget.json has 2 unusable row(s):\n  row 2: text is empty or not text: ''\n  row 3: not an object" in told
    assert "row 1: no key gt; it has prompt" in told
    assert "holdout.json has no rows" in told
    assert "forget_qa.json is not JSON" in told


def test_no_folder_and_no_network_are_told_in_one_message(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"There is no folder .*nowhere.*data.source=embedded"):
        muse_corpus(MuseChoice(source=str(tmp_path / "nowhere")))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"muse-bench/MUSE-Books can't be had from the Hugging Face hub \("):
        muse_corpus(MuseChoice(source="hub", corpus="books"), offline=True)


def test_a_document_to_forget_and_to_retain_is_refused(tmp_path):
    as_authors_write(tmp_path)
    (tmp_path / "raw" / "retain2.json").write_text('["forget  One"]', encoding="utf8")
    with pytest.raises(UserError, match=r"1 document\(s\) are to be forgotten and retained at once.*'forget one'"):
        muse_corpus(MuseChoice(source=str(tmp_path)))


def test_parquet_needs_its_library(tmp_path):
    as_authors_write(tmp_path)
    (tmp_path / "raw" / "forget.json").unlink()
    (tmp_path / "raw" / "forget-00000-of-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"forget-00000-of-00001.parquet"):
        muse_corpus(MuseChoice(source=str(tmp_path)))
