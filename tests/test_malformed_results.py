"""Malformed results that verbs read: evaluation logs, and folders of runs."""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from malformed import Case, Content, changed, check, copied, fifo, params

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 120\n"

# --- evaluation logs ------------------------------------------------------------------------------------------------

FORGET = "eval_log_forget.json"


def _log(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path, Path], None]:
    def make(place: Path, prepared: Path) -> None:
        content = json.loads((prepared / "log.json").read_text(encoding="utf8"))
        change(content)
        place.write_text(json.dumps(content), encoding="utf8")

    return make


def _values(metric: str, value: Any, task: str = FORGET) -> Callable[[Path, Path], None]:
    """A log with another first value of a metric."""
    return _log(lambda log: log[task][metric].update({"0": value}))


def _raw(old: str, new: str) -> Callable[[Path, Path], None]:
    def make(place: Path, prepared: Path) -> None:
        text = json.dumps(json.loads((prepared / "log.json").read_text(encoding="utf8")))
        assert old in text
        place.write_text(text.replace(old, new, 1), encoding="utf8")

    return make


def _renamed(log: dict[str, Any]) -> None:
    for task in log.values():
        for metric in task:
            task[metric]["01"] = task[metric].pop("1")


def _both(log: dict[str, Any]) -> None:
    for metric in log[FORGET].values():
        metric["01"] = metric["1"]


LOGS: dict[str, tuple[Content, str]] = {
    "empty": ("", ""),
    "no JSON": ("{'a': 1}", ""),
    "half": ('{"eval_log.json": {"avg_gt_loss": {"0": 1.0', ""),
    "a list": ("[]", ""),
    "null": ("null", ""),
    "an empty object": ("{}", "eval_log.json"),
    "deep": ("[" * 100_000, ""),
    "binary": (bytes(range(256)), ""),
    "UTF-16": ("{}".encode("utf-16"), ""),
    "a pointer": (LFS, ""),
    "a folder": (None, ""),
    "a pipe": (fifo, ""),
    "CSV": ("avg_gt_loss,rougeL_recall\n1,2\n", ""),
    "no forget task": (_log(lambda log: log.pop(FORGET)), FORGET),
    "a task of null": (_log(lambda log: log.update({FORGET: None})), FORGET),
    "a task that is a list": (_log(lambda log: log.update({FORGET: []})), FORGET),
    "no losses": (_log(lambda log: log[FORGET].pop("avg_gt_loss")), "avg_gt_loss"),
    "no ROUGE": (_log(lambda log: log[FORGET].pop("rougeL_recall")), "rougeL_recall"),
    "losses as a list": (_log(lambda log: log[FORGET].update(avg_gt_loss=[1.0])), "avg_gt_loss"),
    "empty losses": (_log(lambda log: log[FORGET].update(avg_gt_loss={})), "avg_gt_loss"),
    "a question missing": (_log(lambda log: log[FORGET]["avg_gt_loss"].pop("0")), "avg_gt_loss"),
    "a question too many": (_log(lambda log: log[FORGET]["rougeL_recall"].update({"999": 0.5})), "rougeL_recall"),
    "names for questions": (_log(lambda log: log[FORGET]["avg_gt_loss"].update({"x": 0.5})), FORGET),
    "negative questions": (_log(lambda log: [m.update({"-1": m["0"]}) for m in log[FORGET].values()]), "-1"),
    "Arabic digits": (_log(lambda log: [m.update({"٣٣": m["0"]}) for m in log[FORGET].values()]), "٣٣"),
    "01 and 1": (_log(_both), "01"),
    "a loss of null": (_values("avg_gt_loss", None), "avg_gt_loss"),
    "a loss in words": (_values("avg_gt_loss", "low"), FORGET),
    "a loss of true": (_values("avg_gt_loss", True), "avg_gt_loss"),
    "a loss in quotes": (_values("avg_gt_loss", "1.5"), "avg_gt_loss"),
    "a negative loss": (_values("avg_gt_loss", -1.0), "avg_gt_loss"),
    "a loss of NaN": (_values("avg_gt_loss", float("nan")), "NaN"),
    "an infinite loss": (_values("avg_paraphrased_loss", float("inf")), "Infinity"),
    "a list for a loss": (_values("avg_gt_loss", [1.0]), FORGET),
    "ROUGE of 7": (_values("rougeL_recall", 7.0), "rougeL_recall"),
    "ROUGE below 0": (_values("rougeL_recall", -0.1), "rougeL_recall"),
    "ROUGE of NaN": (_values("rougeL_recall", float("nan")), "NaN"),
    "unequal perturbed losses": (_values("average_perturb_loss", [1.0]), FORGET),
    "no perturbed losses": (_values("average_perturb_loss", []), FORGET),
    "one number for perturbed losses": (_values("average_perturb_loss", 1.0), FORGET),
    "infinite perturbed losses": (_values("average_perturb_loss", [float("inf")] * 5), "Infinity"),
    "negative perturbed losses": (_values("average_perturb_loss", [-1.0] * 5), "average_perturb_loss"),
    "a task twice": (_raw('"eval_log.json": {', '"eval_log.json": {}, "eval_log.json": {'), "eval_log.json"),
    "a question twice": (_raw('"avg_gt_loss": {"0"', '"avg_gt_loss": {"0": 1.0, "0"'), "0"),
    "an endless number": (_raw('"avg_gt_loss": {"0": ', '"avg_gt_loss": {"0": ' + "9" * 5000), ""),
}


def _scores() -> Iterator[Case]:
    good = copied("log.json")
    for i, (name, (content, says)) in enumerate(LOGS.items()):
        bad, other = ("a.json", "b.json") if i % 2 else ("b.json", "a.json")
        files = {bad: content, other: good}
        yield Case(f"score: {name}", "score a.json b.json", [bad, says] if says else bad, files)
    yield Case(
        "score: an unknown protocol",
        "score a.json b.json --protocol tofuu",
        "tofu",
        dict.fromkeys(("a.json", "b.json"), good),
    )
    yield Case("score: no log", "score a.json nowhere.json", "nowhere.json", {"a.json": good})
    yield Case("score: one log", "score a.json", "retrained", {"a.json": good})
    yield Case("score: an empty name", ["score", "", "a.json"], "empty", {"a.json": good})


# --- folders of runs ------------------------------------------------------------------------------------------------

UNIT = "unlearn/GA-s0"


def _cut(path: str) -> Callable[[Path, Path], None]:
    """The run with a file cut in half."""

    def make(place: Path, prepared: Path) -> None:
        copied("run")(place, prepared)
        content = (place / path).read_bytes()
        (place / path).write_bytes(content[: len(content) // 2])

    return make


def _value(path: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path, Path], None]:
    def make(place: Path, prepared: Path) -> None:
        copied("run")(place, prepared)
        content = json.loads((place / path).read_text(encoding="utf8"))
        change(content)
        (place / path).write_text(json.dumps(content), encoding="utf8")

    return make


def _other_zip(place: Path, prepared: Path) -> None:
    copied("run")(place, prepared)
    with zipfile.ZipFile(place / UNIT / "data.npz", "w") as file:
        file.writestr("x", "no array")


def _run(path: str, content: Content) -> Callable[[Path, Path], None]:
    return changed("run", {path: content})


DATA, ARRAYS, MANIFEST = (f"{UNIT}/{name}" for name in ("data.json", "data.npz", "manifest.json"))
REPORTED: dict[str, tuple[Content, str]] = {
    "an empty folder": (None, ""),
    "a mere file": ("x", ""),
    "values cut off": (_cut(DATA), UNIT),
    "values that are no JSON": (_run(DATA, "{"), UNIT),
    "values that are a list": (_run(DATA, "[]"), UNIT),
    "values that are null": (_run(DATA, "null"), UNIT),
    "deep values": (_run(DATA, "[" * 100_000), UNIT),
    "no moments": (_value(DATA, lambda v: v.pop("moments")), UNIT),
    "empty moments": (_value(DATA, lambda v: v.update(moments=[])), UNIT),
    "moments of text": (_value(DATA, lambda v: v.update(moments="x")), UNIT),
    "no protocol": (_value(DATA, lambda v: v.pop("protocol")), UNIT),
    "an unknown protocol": (_value(DATA, lambda v: v.update(protocol="x")), UNIT),
    "no arrays": (_run(ARRAYS, None), UNIT),
    "arrays cut off": (_cut(ARRAYS), UNIT),
    "empty arrays": (_run(ARRAYS, b""), UNIT),
    "arrays of another archive": (_other_zip, UNIT),
    "arrays that are text": (_run(ARRAYS, "x"), UNIT),
    "no manifest": (_run(MANIFEST, None), UNIT),
    "a manifest that is no JSON": (_run(MANIFEST, "{"), UNIT),
    "a manifest that is a list": (_run(MANIFEST, "[]"), UNIT),
}
ASKED: dict[str, tuple[Content, str]] = {
    "an empty folder": (None, "no finished models"),
    "a mere file": ("x", ""),
    "no manifest": (_run("finetune/manifest.json", None), "finetune is left out"),
    "a manifest that is no JSON": (_run("finetune/manifest.json", "{"), "finetune is left out"),
    "a manifest that is a list": (_run("finetune/manifest.json", "[]"), "finetune is left out"),
    "a deep manifest": (_run("finetune/manifest.json", "[" * 100_000), "finetune is left out"),
    "a manifest without a prompt": (_value("finetune/manifest.json", lambda v: v.update(settings={})), "finetune"),
    "weights cut off": (_cut("retrain/model/model.safetensors"), "retrain is left out"),
    "no weights": (_run("retrain/model/model.safetensors", None), "retrain is left out"),
}


def _reports() -> Iterator[Case]:
    for name, (content, says) in REPORTED.items():
        yield Case(f"report: {name}", "report r", ["r", says], {"r": content})
    for name, (content, says) in ASKED.items():
        left = says.endswith("left out")  # the others answer
        slow = left and "deep" not in name
        words = ["ask", "r", "Who is it?"]
        yield Case(f"ask: {name}", words, ["r", says], {"r": content}, code=0 if left else 2, slow=slow)
    yield Case("ask: an empty question", ["ask", "r", ""], "question", {"r": copied("run")})
    yield Case("ask: a question of spaces", ["ask", "r", "  "], "question", {"r": copied("run")})
    yield Case("ask: an empty answer", ["ask", "r", "Who?", "--answer", ""], "answer", {"r": copied("run")})
    yield Case("ask: a surrogate", ["ask", "r", "Who is \udc80?"], "half a character", {"r": copied("run")})
    yield Case("ask: a question alone", ["ask", "Who is it?"], "question")
    yield Case("ask: nowhere", ["ask", "nowhere", "Who?"], "nowhere")
    yield Case("report: nowhere", "report nowhere", "nowhere")
    yield Case("report: a run and nothing", "report r nowhere", "nowhere", {"r": copied("run")})
    yield Case(
        "report: its own run as output", "report r --out r/unlearn/GA-s0", "r/unlearn/GA-s0", {"r": copied("run")}
    )
    markup = _value(DATA, lambda v: [t.update(generated="[/INST] <b>x</b>") for t in v["texts"]])
    yield Case(
        "ask: markup in a question",
        ["ask", "r", "Who is [/INST]?", "--answer", "[/b]"],
        (),
        {"r": copied("run")},
        code=0,
    )
    yield Case("report: a changed answer", "report r --out 'o[/b]'", "left out", {"r": markup})


CASES = [*_scores(), *_reports()]


@pytest.mark.parametrize("case", params(CASES))
def test_results(case: Case, tmp_path: Path, prepared: Path) -> None:
    check(case, tmp_path, prepared)
