"""What the README and the pages beside it say is true of this tree; what they can be told by it is up to date."""

import json
import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from theory.losses import nll, npo

RunNpo = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def generate() -> dict[str, Any]:
    """The names of docs/generate.py."""
    return runpy.run_path(str(Path(__file__).parents[1] / "docs" / "generate.py"))


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf8"), re.DOTALL)


# --- the front page -----------------------------------------------------------------------------------------------


def test_the_readme_is_short(root: Path) -> None:
    assert len((root / "README.md").read_text(encoding="utf8").splitlines()) <= 150


def test_there_are_two_commands_three_doors_and_six_results(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf8")
    assert re.findall(r"^    make (\w+)", text, re.MULTILINE) == ["reproduce", "test"]
    assert len(re.findall(r"^\*\*You (?:are|have) ", text, re.MULTILINE)) == 3
    verdicts = re.findall(r"\| \*\*(holds|fails|not testable here)\*\* \|", text)
    assert len(verdicts) == 6
    assert "fails" in verdicts


def _model(folder: Path) -> None:
    """A model of one's own, tiny and untaught."""
    from scale.models.folders import language_model
    from scale.models.loading import scratch

    tokenizer = scratch.train_tokenizer(["Question: Where was Ada born?\nAnswer: In Oldham."], 300)
    shape = scratch.Shape(hidden=16, layers=1, heads=2, feed_forward=16, positions=128)
    model = scratch.from_scratch(tokenizer, shape, seed=0)
    language_model.save(folder, language_model.LanguageModel(model, tokenizer))


@pytest.mark.integration
def test_every_door_opens(
    root: Path, run_npo: RunNpo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_fit: None, tiny_try: None
) -> None:
    """Each command is run as it stands, in a folder with what the text before it says is there."""
    monkeypatch.chdir(tmp_path)
    _model(tmp_path / "my-model")
    (loss,) = _blocks(root / "README.md", "python")
    (tmp_path / "my_loss.py").write_text(loss, encoding="utf8")
    doors = _blocks(root / "README.md", "sh")
    assert len(doors) == 3
    said = {}
    for line in "".join(doors).splitlines():
        words = shlex.split(line, comments=True)
        if words[0] == "echo":
            text, to, name = words[1:]
            assert to == ">"
            Path(name).write_text(text + "\n", encoding="utf8")
        else:
            assert words[0] == "npo"
            code, out, err = run_npo(*words[1:])
            assert code == 0, f"{line}: {err}"
            said[" ".join(words[1:3])] = out
    tried = "try my_loss.py:my_loss"
    assert set(said) == {"theory", "theory proposition-1", "synthetic logistic", tried, "forget rows.jsonl"}
    assert "sign of the weight" in said[tried]
    assert "holds at 61 points" in said["theory proposition-1"]
    assert "my_loss" in said["synthetic logistic"]
    assert Path("out/mine").is_dir()


# --- what the pages name ------------------------------------------------------------------------------------------


def _pages(root: Path) -> list[Path]:
    """Every page of the project's own."""
    rooms = [path for path in root.glob("[a-z]*/README.md") if path.parent.name not in ("build", "mutants", "out")]
    return [*root.glob("*.md"), *root.glob("docs/*.md"), *rooms]


def _linked(page: Path) -> list[tuple[Path, str]]:
    """The files that a page links to, each with the heading that is meant."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf8"), flags=re.DOTALL)
    found = re.findall(r"\]\(((?!https?:)[^)\s]*)\)", text)
    return [
        (page.parent / link.split("#")[0] if link.split("#")[0] else page, link.partition("#")[2]) for link in found
    ]


def _anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be linked to."""
    heads = re.findall(r"^#+ (.*)", page.read_text(encoding="utf8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


def test_every_link_leads_somewhere(root: Path) -> None:
    count = 0
    for page in _pages(root):
        for path, anchor in _linked(page):
            assert path.is_file(), f"{page.relative_to(root)}: {path}"
            assert not anchor or anchor in _anchors(path), f"{page.relative_to(root)}: #{anchor}"
            count += 1
    assert count > 200


def test_every_page_of_docs_is_reached_from_the_readme(root: Path) -> None:
    reached, todo = set(), [root / "README.md"]
    while todo:
        page = todo.pop().resolve()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            todo += [path for path, _ in _linked(page)]
    assert {path.resolve() for path in _pages(root)} - reached <= {root / "CHANGELOG.md"}


def test_every_named_thing_exists(root: Path) -> None:
    """Make targets and, in backticks, paths from the root or the page's room, and files by their name."""
    rooms = {path.name for path in root.iterdir() if path.is_dir() and path.name[0] != "." and path.name != "out"}
    files = {path.name for room in rooms for path in (root / room).rglob("*")}
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf8"), re.MULTILINE)
    for page in _pages(root):
        text = page.read_text(encoding="utf8")
        for target in re.findall(r"`make ([a-z-]+)`|^    make ([a-z-]+)", text, re.MULTILINE):
            assert "".join(target) in targets, f"{page.relative_to(root)}: make {''.join(target)}"
        if page.name == "CHANGELOG.md":  # which tells of what was, too
            continue
        for path in re.findall(r"`([\w./-]+)`", text):
            of_ours = path.split("/")[0] in rooms if "/" in path else path.endswith((".py", ".ipynb"))
            if of_ours and not path.startswith("my_"):
                there = path in files or (root / path).exists() or (page.parent / path).exists()
                assert there, f"{page.relative_to(root)}: {path}"


def test_every_npo_command_names_a_verb(root: Path, generate: dict[str, Any]) -> None:
    verbs = set(re.findall(r"`npo ([a-z- ]+)`", generate["verbs"]()))
    first = {verb.split()[0] for verb in verbs}
    for page in _pages(root):
        for word, second in re.findall(
            r"^(?:    )?npo ([a-z-]+)(?: ([a-z]+))?", page.read_text(encoding="utf8"), re.MULTILINE
        ):
            assert word in first, f"{page.relative_to(root)}: npo {word}"
            assert word not in ("synthetic", "model") or f"{word} {second}" in verbs, f"npo {word} {second}"


# --- what is generated --------------------------------------------------------------------------------------------


def test_what_is_generated_is_up_to_date(root: Path, generate: dict[str, Any]) -> None:
    for page in generate["pages"]():
        text = page.read_text(encoding="utf8")
        assert generate["filled"](text) == text, f"{page.relative_to(root)} is out of date: run `make pages`"


def test_every_file_has_its_line_and_says_what_it_is(root: Path) -> None:
    for room in ("records", "theory", "synthetic", "scale", "figures", "npo", "notebooks", "benchmarks", "tests"):
        text = (root / room / "README.md").read_text(encoding="utf8")
        for path in (*(root / room).rglob("*.py"), *(root / room).glob("*.ipynb")):
            name = path.relative_to(root / room).as_posix()
            if path.name != "__init__.py":
                assert re.search(rf"^- \[`{re.escape(path.name)}`\]\({re.escape(name)}\): \S", text, re.MULTILINE), path


def test_the_ledger_has_every_claim_and_a_verdict(root: Path) -> None:
    from npo.ledger import CLAIMS

    text = (root / "docs" / "ledger.md").read_text(encoding="utf8")
    for claim in CLAIMS:
        start = f"| {claim.statement.replace('|', chr(92) + '|')} |"
        lines = [line for line in text.splitlines() if line.startswith(start)]
        assert len(lines) == 1, f"{claim.id}: docs/ledger.md has {len(lines)} lines of it; make pages"
        (line,) = lines
        assert re.search(r"\*\*(holds|fails|not testable here)\*\*", line), claim.id


def test_a_finished_run_is_taken_into_the_ledger(generate: dict[str, Any], tmp_path: Path) -> None:
    """What it did not reach stays as it was."""
    kept = json.loads((generate["DATA"] / "ledger.json").read_text(encoding="utf8"))
    new = {"id": "theorem-2-ga", "verdict": "fails", "effect": 2.0, "interval": None, "reason": "", "figure": "x"}
    unreached = {**new, "id": "proposition-1", "reason": "not run: theory/proposition-1"}
    (tmp_path / "claims.json").write_text(json.dumps([new, unreached]), encoding="utf8")
    (tmp_path / "ledger.json").write_text(json.dumps(kept), encoding="utf8")
    take = generate["take"]
    take.__globals__["DATA"], before = tmp_path, take.__globals__["DATA"]
    try:
        take(tmp_path / "claims.json")
    finally:
        take.__globals__["DATA"] = before
    taken = json.loads((tmp_path / "ledger.json").read_text(encoding="utf8"))
    assert taken.pop("theorem-2-ga") == {"verdict": "fails", "effect": 2.0, "interval": None, "reason": ""}
    del kept["theorem-2-ga"]
    assert taken == kept


def test_every_benchmark_has_a_row_and_every_row_a_benchmark(root: Path, generate: dict[str, Any]) -> None:
    measured = {row["script"] for row in generate["_read"]("speed")}
    assert measured == {path.stem for path in (root / "benchmarks").glob("[a-z]*.py")}


@pytest.mark.integration
def test_the_theory_s_numbers_are_those_of_its_commands(root: Path) -> None:
    from theory.theorems.catalogue import CATALOGUE

    text = (root / "docs" / "theory.md").read_text(encoding="utf8")
    for name, exhibit in CATALOGUE.items():
        found = re.search(rf"^\| `npo theory {name}` \| holds at (\d+) points \| (\S+) \|", text, re.MULTILINE)
        assert found, f"{name}: put what `npo theory {name}` prints into docs/data/theory.json, then make pages"
        if name.startswith(("theorem-2", "instance")):
            continue  # a million steps each
        verdict = exhibit.theorem.check(exhibit.instance(0))
        assert verdict.points == int(found[1])
        printed = float(found[2])
        assert abs(printed - verdict.slack) <= 0.01 * abs(printed) + 1e-12, name


# --- examples -----------------------------------------------------------------------------------------------------


def test_the_lines_for_ones_own_training_loop_run(root: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    code, *_ = _blocks(root / "docs" / "extending.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    names: dict[str, object] = {}
    exec(code, names)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=50,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=0,
            eos_token_id=1,
        )
        model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(0)

    def batch() -> dict[str, torch.Tensor]:
        ids = torch.randint(50, (3, 8), generator=generator)
        labels = ids.clone()
        labels[:, :4] = -100
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}

    forget, retain = batch(), batch()
    answer_logp, unlearning_loss = names["answer_logp"], names["unlearning_loss"]
    assert callable(answer_logp)
    assert callable(unlearning_loss)
    ref = answer_logp(model, forget).detach()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(20):
        loss = unlearning_loss(model, forget, retain, ref)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert answer_logp(model, forget).mean() < ref.mean() - 1
    expected = npo(answer_logp(model, forget), ref, beta=0.1).mean() + nll(answer_logp(model, retain)).mean()
    torch.testing.assert_close(unlearning_loss(model, forget, retain, ref), expected)


def test_the_functions_of_one_s_own_that_are_shown_run(root: Path, run_npo: RunNpo, tmp_path: Path) -> None:
    """The loss in the logistic room, the metric where a recipe is read."""
    from scale.evaluation.catalogue import metric_of

    _, loss, metric = _blocks(root / "docs" / "extending.md", "python")
    file = tmp_path / "my_file.py"
    file.write_text(f"{loss}\n\n{metric}", encoding="utf8")
    words = ("--quick", "--steps", "4", "--methods", f"{file}:my_loss+rt,SimNPO", "--set", "my_loss.beta=1")
    code, _, err = run_npo("synthetic", "logistic", *words, "--set", "gamma=0.5", "--out", str(tmp_path / "o"))
    assert code == 0, err
    assert metric_of(f"{file}:surprise").needs == ("token_logp", "variance")


def test_answers_of_kept_runs_stand_side_by_side(generate: dict[str, Any]) -> None:
    lines = generate["BLOCKS"]["answers"]("tofu-scratch-forget05").splitlines()
    assert "The true answer: “" in lines[0]
    assert lines[2] == "| method | answer |"
    assert {"GA", "IDK+RT", "NPO+RT, β=0.1"} <= {line.split(" | ")[0].removeprefix("| ") for line in lines[4:]}
