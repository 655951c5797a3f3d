"""Evaluation logs in TOFU's format: what is no such log, or holds what no model can have, is told; good ones score."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.errors import UserError
from scale.evaluation.log_columns import METRICS
from scale.evaluation.protocols import PROTOCOLS
from scale.evaluation.tofu_log import mismatches, read_log, score

TASKS = (
    "eval_log.json",
    "eval_real_author_wo_options.json",
    "eval_real_world_wo_options.json",
    "eval_log_forget.json",
)
ANSWER, PARAPHRASE, PERTURBED, ROUGE = METRICS


def task_of(n: int = 3) -> dict[str, Any]:
    found: dict[str, Any] = {name: {str(i): 1.0 + i for i in range(n)} for name in (ANSWER, PARAPHRASE)}
    found[PERTURBED] = {str(i): [1.0, 2.0 + i] for i in range(n)}
    found[ROUGE] = {str(i): 0.5 for i in range(n)}
    return found


def log_of(n: int = 3) -> dict[str, Any]:
    return {name: task_of(n) for name in TASKS}


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf8")
    return path


Change = Callable[[dict[str, Any]], object]


def put(metric: str, value: Any, key: str = "1") -> Change:
    return lambda task: task[metric].update({key: value})


def renamed(key: str) -> Change:
    """The last question under another key, in every metric."""
    return lambda task: [column.update({key: column.pop("2")}) for column in task.values()]


LOSSES: dict[str, tuple[Any, str]] = {
    "negative": (-1.0, "negative"),
    "null": (None, "null"),
    "a word": ("0.5", "a number was expected, got '0.5'"),
    "true": (True, "a number was expected, got True"),
    "an object": ({}, "a number was expected"),
    "a large integer": (10**400, "larger than any model's loss"),
    "a large float": (1e300, "larger than any model's loss"),
}
CHANGES: dict[str, tuple[Change, str]] = {
    **{f"an answer's loss is {name}": (put(ANSWER, value), said) for name, (value, said) in LOSSES.items()},
    **{f"a paraphrase's loss is {name}": (put(PARAPHRASE, value), said) for name, (value, said) in LOSSES.items()},
    **{f"a perturbed loss is {name}": (put(PERTURBED, [1.0, value]), said) for name, (value, said) in LOSSES.items()},
    **{
        f"ROUGE is {name}": (put(ROUGE, value), said)
        for name, (value, said) in {**LOSSES, "negative": (-0.5, "no recall"), "seven": (7, "no recall")}.items()
    },
    "an answer's loss is a list": (put(ANSWER, [1.0]), "a number was expected"),
    "no list of perturbed losses": (put(PERTURBED, 1.0), "a list of losses was expected, got 1.0"),
    "no perturbed losses": (put(PERTURBED, []), "no perturbed answers"),
    "no perturbed losses at all": (lambda task: task.update({PERTURBED: {key: [] for key in "012"}}), "no perturbed"),
    "unequal numbers of perturbed losses": (put(PERTURBED, [1.0]), "question 1 has 1 perturbed answers, question 0"),
    "lists in lists": (put(PERTURBED, [[1.0], [2.0]]), "a number was expected"),
    "a question is missing": (lambda task: task[ROUGE].pop("1"), "has 2 questions"),
    "a metric is empty": (lambda task: task.update({ROUGE: {}}), "no rougeL_recall"),
    "a metric is a list": (lambda task: task.update({ANSWER: [1.0]}), "no avg_gt_loss"),
    "a metric is missing": (lambda task: task.pop(PERTURBED), "no average_perturb_loss"),
    **{
        f"a key is {key!r}": (renamed(key), "no such numbers")
        for key in ("01", "-1", "1.0", "١", "²", "+1", " 1", "1_0", "", "x", "1e0", "9" * 5000, "NaN")
    },
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("task", [TASKS[0], TASKS[3]])
def test_what_no_model_can_have_is_told_with_its_place(name: str, task: str, tmp_path: Path) -> None:
    log = log_of()
    change, said = CHANGES[name]
    change(log[task])
    with pytest.raises(UserError) as caught:
        read_log(written(tmp_path / "log.json", log))
    message = str(caught.value)
    assert said in message
    assert f"log.json, {task}" in message
    assert "Evaluate again" in message
    assert len(message) < 1000


def nested(depth: int) -> str:
    return '{"eval_log.json": ' + "[" * depth + "]" * depth + "}"


TEXTS = {
    "nothing": "",
    "half": '{"eval_log.json"',
    "NaN": json.dumps({**log_of(), "x": math.nan}),
    "infinity": json.dumps({**log_of(), "x": -math.inf}),
    "a number that is none": '{"eval_log.json": 1e400}',
    "a long integer": '{"eval_log.json": ' + "9" * 6000 + "}",
    "deep": nested(100_000),
    "a key twice": '{"eval_log.json": {}, "eval_log.json": {}}',
    "a question twice": json.dumps(log_of()).replace('"1": 0.5', '"1": 0.5, "1": 0.6', 1),
    "a list": "[]",
    "a number": "1",
    "a word": '"eval_log.json"',
    "no task": "{}",
    "a task that is none": json.dumps({**log_of(), TASKS[3]: 3}),
    "an LFS pointer": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a table": "a,b\n1,2\n",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_what_is_no_log_is_told(kind: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"log\.json"):
        read_log(written(tmp_path / "log.json", TEXTS[kind]))


def test_folders_pipes_archives_and_what_is_absent_are_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "log.json.gz").write_bytes(b"\x1f\x8b\x08\0" + b"x" * 20)
    (tmp_path / "utf16").write_bytes(json.dumps(log_of()).encode("utf-16"))
    for name, said in (
        ("", "a folder"),
        ("pipe", "a pipe"),
        ("log.json.gz", "gzip"),
        ("utf16", "UTF-16"),
        ("absent", "There is no file"),
    ):
        with pytest.raises(UserError, match=said):
            read_log(tmp_path / name)


OTHERS = {
    "open-unlearning's evaluation": ({"forget_truth_ratio": {"agg_value": 0.5, "value_by_index": {}}}, "open-unlearn"),
    "open-unlearning's summary": ({"forget_quality": 1e-3, "model_utility": 0.6}, "open-unlearning"),
    "one task": (task_of(), "one task alone"),
    "data of a run": ({"moments": [], "label": "GA"}, "its log.json lies beside it"),
    "runs of a report": ({"environment": {}, "runs": {}}, "runs.json of npo report"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_another_known_file_is_named(kind: str, tmp_path: Path) -> None:
    content, said = OTHERS[kind]
    with pytest.raises(UserError, match=said):
        read_log(written(tmp_path / "log.json", content))


number = st.floats(0, 50) | st.integers(0, 50) | st.just(-0.0) | st.just(1e38)


@settings(max_examples=4)  # each is a bootstrap for either protocol
@given(rows=st.lists(st.tuples(number, number, number, st.floats(0, 1)), min_size=1, max_size=4))
def test_what_a_model_can_have_is_scored_as_strict_json(
    rows: list[tuple[float, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = log_of()
    log[TASKS[3]] = {
        ANSWER: {str(i): row[0] for i, row in enumerate(rows)},
        PARAPHRASE: {str(i): row[1] for i, row in enumerate(rows)},
        PERTURBED: {str(i): [row[2], row[0]] for i, row in enumerate(rows)},
        ROUGE: {str(i): row[3] for i, row in enumerate(rows)},
    }
    read = read_log(written(tmp_path_factory.getbasetemp() / "log.json", log))
    for name in ("tofu", "tofu-paper"):
        found = score(read, read, PROTOCOLS[name])
        json.dumps(found, allow_nan=False)
        assert found["forget_quality"] == 1
        assert 0 <= found["forget_probability"] <= 1
        assert 0 <= found["forget_truth_ratio"] <= 1


def test_the_byte_order_mark_and_more_columns_change_nothing(tmp_path: Path) -> None:
    plain = read_log(written(tmp_path / "a.json", log_of()))
    more = log_of()
    more[TASKS[0]]["generated_text"] = {"0": ["q", "a", "t"]}
    marked = read_log(written(tmp_path / "b.json", "\ufeff" + json.dumps({**more, "more": 1})))
    assert score(plain, plain, PROTOCOLS["tofu"]) == score(marked, marked, PROTOCOLS["tofu"])


def test_logs_that_do_not_go_together_are_told(tmp_path: Path) -> None:
    def texts(*truths: str) -> dict[str, Any]:
        log = log_of()
        log[TASKS[3]]["generated_text"] = {str(i): ["q", "said", truth] for i, truth in enumerate(truths)}
        return log

    one = written(tmp_path / "one.json", texts("a", "b", "c"))
    assert "same file" in mismatches(one, one)[0]
    assert "same numbers" in mismatches(one, written(tmp_path / "copy.json", texts("a", "b", "c")))[0]
    assert "3 forget questions" in mismatches(one, written(tmp_path / "more.json", log_of(4)))[0]
    assert "to 2 of 3" in mismatches(one, written(tmp_path / "other.json", texts("a ", "x", "y")))[0]
    good = texts("a", "b", "c")
    good[TASKS[3]][ANSWER]["0"] = 3.0
    assert mismatches(one, written(tmp_path / "good.json", good)) == []


def test_score_prints_strict_json_and_warns_beside_it(run_npo: Callable[..., tuple[int, str, str]], tmp_path: Path):
    one = written(tmp_path / "one.json", log_of())
    code, out, err = run_npo("score", str(one), str(one))
    assert code == 0
    assert json.loads(out, parse_constant=lambda word: pytest.fail(word))["forget_quality"] == 1
    assert "the same file" in err
    code, out, err = run_npo("score", str(one), str(tmp_path))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
