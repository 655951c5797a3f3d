"""Fill in what the pages can be told by the tree itself: lists of files, verbs and recipes, the ledger, numbers.

python docs/generate.py                       fill every block between <!-- generated: NAME --> and <!-- /generated -->
python docs/generate.py out/NAME/claims.json  first take what a finished main job found into docs/data/ledger.json
"""

import ast
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from typer.main import get_command

from npo.cli import app
from npo.ledger import CLAIMS, Claim, Entry, enter, language_model, logistic, transformer
from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE
from npo.ledger.judging.claim import ROOMS as CLAIM_ROOMS
from npo.ledger.judging.kept import KEPT_DATA, is_kept, recorded
from npo.ledger.told import ledger_markdown
from npo.report.answers import one_question
from npo.report.gallery import GALLERY
from npo.runs.run import saved
from npo.verbs.losses.atlas import markdown, rows_of
from records.store import Data
from scale.evaluation.catalogue import METRICS
from scale.evaluation.measurable import END, MEASURABLE
from scale.tasks.kinds import TASKS
from theory.methods import FORGET
from theory.quantities import QUANTITIES

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "docs" / "data"
ROOMS = ("records", "theory", "synthetic", "scale", "figures", "npo", "notebooks", "benchmarks", "tests")
BLOCK = re.compile(r"(<!-- generated: (\S+)(?: (\S+))? -->\n)(.*?)(<!-- /generated -->)", re.DOTALL)
HEADLINES = (  # what someone new should know first: what holds, and what does not
    "intrinsic-time-theory",
    "theorem-2-npo",
    "transformer-equal-drop",
    "adam-linear",
    "tofu-npo-rt-unlearns-forget05",
    "tofu-npo-rt-alone",
)


def pages() -> list[Path]:
    """Every page that is written by hand: the README, docs/, and one README a room."""
    return [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *(ROOT / room / "README.md" for room in ROOMS)]


def filled(text: str) -> str:
    """A page with each of its blocks as it should be."""
    return BLOCK.sub(lambda m: f"{m[1]}{BLOCKS[m[2]](*filter(None, [m[3]])).strip()}\n{m[5]}", text)


# --- lists of what is there ---------------------------------------------------------------------------------------


def first_sentence(text: str) -> str:
    """The first sentence of a docstring or a page, on one line."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.?!])\s+(?=[A-Z`“])", paragraph)[0]


def _about(path: Path) -> str:
    """What a file says of itself: the first sentence of a docstring, the title of a notebook."""
    text = path.read_text(encoding="utf8")
    if path.suffix == ".ipynb":
        return str("".join(json.loads(text)["cells"][0]["source"]).split("\n")[0].lstrip("# "))
    return first_sentence(ast.get_docstring(ast.parse(text)) or "")


def _lines(folder: Path, room: Path) -> Iterator[str]:
    """A line for each file of a folder."""
    for path in sorted((*folder.glob("*.py"), *folder.glob("*.ipynb"))):
        if path.name != "__init__.py":
            yield f"- [`{path.name}`]({path.relative_to(room).as_posix()}): {_about(path)}"


def files(room: str) -> str:
    """The files of a room, those of each sub-room under what it says of itself."""
    place = ROOT / room
    parts = ["\n".join(_lines(place, place))]
    for init in sorted(place.glob("*/**/__init__.py")):
        name = init.parent.relative_to(place).as_posix()
        parts += [f"### `{name}/`", _about(init), "\n".join(_lines(init.parent, place))]
    return "\n\n".join(filter(None, parts))


def contents() -> str:
    """The pages of docs/, by title and first sentence."""
    found = []
    for path in sorted(ROOT.glob("docs/*.md")):
        if path.name != "README.md":
            title, text = path.read_text(encoding="utf8").split("\n", 1)
            found.append(f"- [{title.lstrip('# ')}]({path.name}): {first_sentence(text)}")
    return "\n".join(found)


def verbs() -> str:
    """Every verb of the command line with what it says of itself."""

    def walk(command: Any, words: str) -> Iterator[str]:
        for name, verb in command.commands.items():
            if hasattr(verb, "commands"):
                yield from walk(verb, f"{words} {name}")
            else:
                yield f"| `{words} {name}` | {first_sentence(verb.help)} |"

    return "\n".join(["| verb | what it does |", "|---|---|", *walk(get_command(app), "npo")])


def recipes() -> str:
    """Every shipped recipe with what it is about."""
    place = ROOT / "scale" / "recipes"
    names = sorted(path.relative_to(place).with_suffix("").as_posix() for path in place.rglob("*.yaml"))
    about = {name: yaml.safe_load((place / f"{name}.yaml").read_text(encoding="utf8")).get("about") for name in names}
    return "\n".join(["| recipe | about |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in about.items())])


# --- what can be named ----------------------------------------------------------------------------------------------


def _table(*rows: Sequence[object]) -> str:
    """Rows as a table, the first as its head."""
    head, *body = (f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


def quantities() -> str:
    """What a loss may ask for."""
    rows = ((f"`{one.name}`", one.shape, one.unit, one.about) for one in QUANTITIES.values())
    return _table(("parameter", "shape", "unit", "what it is"), *rows)


def losses() -> str:
    """The forget losses by name, with what their papers chose."""
    rows = []
    for name, row in FORGET.items():
        chosen = ", ".join(f"{key} = {value:g}" for key, value in row.hyperparameters.items())
        retain = row.own_weight if row.own else row.retain_weight
        source = re.findall(r"arXiv:\d{4}\.\d{5}", row.kernel.__doc__ or "")
        about = first_sentence(row.kernel.__doc__ or "").rstrip(".")
        rows.append((name, about, chosen, row.per.__name__, f"{retain:g}", source[0] if source else ""))
    return _table(("name", "what it is", "chosen by its paper", "mean over", "retain weight", "source"), *rows)


def atlas() -> str:
    """What `npo atlas` finds of every loss."""
    return markdown(rows_of())


def metrics() -> str:
    """The metrics that a recipe can name."""
    rows = (
        (f"`{name}`", first_sentence(metric.function.__doc__ or ""), ", ".join(f"`{need}`" for need in metric.needs))
        for name, metric in METRICS.items()
    )
    return _table(("metric", "what it is", "what it needs"), *rows)


def measurable() -> str:
    """What a metric may ask for."""
    rows = ((f"`{one.name}`", one.shape, one.unit, one.about) for one in MEASURABLE.values() if END not in one.name)
    return _table(("parameter", "shape", "unit", "what it is"), *rows)


def tasks() -> str:
    """The tasks that a recipe can name."""
    return _table(("`data: {kind: …}`", "what it is"), *((f"`{task.name}`", task.about) for task in TASKS))


# --- the ledger ---------------------------------------------------------------------------------------------------


def kept(claim: Claim) -> Entry:
    """A claim's entry: judged anew where its results are in the tree, else as the last full run found it."""
    if is_kept(claim):
        return enter(claim, _recorded(), {}, {})
    not_run = {"verdict": NOT_TESTABLE, "effect": None, "interval": None, "reason": "not run yet"}
    found = _read("ledger").get(claim.id, not_run)
    return {"statement": claim.statement, "measure": claim.measure, **found}


@cache
def _recorded() -> Mapping[str, Data]:
    """The kept results, read once."""
    return recorded()


def ledger() -> str:
    """Every claim with its verdict, room by room."""
    parts = []
    for room, name in CLAIM_ROOMS.items():
        entries = [kept(claim) for claim in CLAIMS if claim.room == room]
        parts += [f"## {name[0].upper()}{name[1:]}", ledger_markdown(entries).strip()]
    return "\n\n".join(parts)


def counts() -> str:
    """How many claims hold and do not, room by room."""
    verdicts = (HOLDS, FAILS, NOT_TESTABLE)
    rows = {
        name: [str(kept(claim)["verdict"]) for claim in CLAIMS if claim.room == room]
        for room, name in CLAIM_ROOMS.items()
    }
    rows["all"] = [verdict for found in rows.values() for verdict in found]
    lines = [f"| {room} | {' | '.join(str(found.count(v)) for v in verdicts)} |" for room, found in rows.items()]
    return "\n".join([f"| room | {' | '.join(verdicts)} |", "|---|---|---|---|", *lines])


def field() -> str:
    """The claims of other papers with their sources, room by room."""
    rows = []
    rooms = (logistic, transformer, language_model)
    for claim in (claim for room in rooms for claim in room.other_papers.CLAIMS):
        entry = kept(claim)
        (row,) = ledger_markdown([entry]).splitlines()[2:]
        rows.append(f"| {claim.source} | {CLAIM_ROOMS[claim.room]} {row}")
    head = ("source", "room", "claim", "verdict", "effect", "what the effect is")
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows])


def headlines() -> str:
    """The few claims that the README shows."""
    return ledger_markdown([kept(claim) for name in HEADLINES for claim in CLAIMS if claim.id == name])


def answers(runs: str) -> str:
    """What each method of kept runs answers to one question."""
    return one_question(saved(KEPT_DATA / f"{runs}.json"))


def caption(figure: str) -> str:
    """What a reader should see in a figure, as the report says it."""
    (found,) = (plate.caption for plate in GALLERY if plate.name == figure)
    return textwrap.fill(found, 120)


def take(path: Path) -> None:
    """Keep the verdicts of a finished run of the main job, less those it did not reach and those kept elsewhere."""
    found, elsewhere = _read("ledger"), {claim.id for claim in CLAIMS if is_kept(claim)}
    for entry in json.loads(path.read_text(encoding="utf8")):
        if not str(entry["reason"]).startswith("not run") and entry["id"] not in elsewhere:
            found[entry["id"]] = {key: entry[key] for key in ("verdict", "effect", "interval", "reason")}
    rows = [f"  {json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}" for name, row in found.items()]
    (DATA / "ledger.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf8")


# --- numbers ------------------------------------------------------------------------------------------------------


def theory() -> str:
    """What `npo theory NAME` prints, for every theorem."""
    lines = [
        "| command | verdict | smallest slack | room | band, against the uniform constants |",
        "|---|---|---|---|---|",
    ]
    for name, row in _read("theory").items():
        cells = (f"holds at {row['points']} points", f"{row['slack']:.2e}", row["room"], row["band"])
        lines.append(f"| `npo theory {name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def speed() -> str:
    """What the scripts in benchmarks/ measured."""
    lines = ["| what | against | faster | memory | script |", "|---|---|---|---|---|"]
    for row in _read("speed"):
        script = f"[{row['script']}](../benchmarks/{row['script']}.py)"
        lines.append(f"| {row['what']} | {row['against']} | {row['faster']} | {row['memory']} | {script} |")
    return "\n".join(lines)


def peer() -> str:
    """What benchmarks/peer.py measured beside open-unlearning: a line for each thing, a column for each model."""
    kept = _read("peer")
    models = [table["model"] for table in kept["tables"]]
    found = {table["model"]: {line["what"]: line for line in table["lines"]} for table in kept["tables"]}
    every = list(dict.fromkeys(what for lines in found.values() for what in lines))
    rows = [(what, *(_beside(found[model].get(what)) for model in models)) for what in every]
    about = (
        f"{kept['date']}; open-unlearning at {kept['peer']}, ours at {kept['ours']}; {kept['machine']}; "
        f"ours with {kept['libraries']}."
    )
    return f"{about}\n\n{_table(('work', *models), *rows)}"


def _beside(line: Mapping[str, Any] | None) -> str:
    """A ratio with its range, the peer's and ours, and what share of the core's matrix speed ours reaches."""
    if line is None:
        return "–"
    spread = f" ({line['low']:.2f} … {line['high']:.2f})" if line["pairs"] > 1 else ""
    share = f", {line['share']:.0%} of the core" if "share" in line else ""
    return f"**{line['ratio']:.2f}**{spread}: {_short(line['peer'])} / {_short(line['ours'])} {line['unit']}{share}"


def _short(value: float) -> str:
    """To three figures, thousands in full."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def peer_numbers() -> str:
    """What both found of the same model on the same questions."""
    tables = [table for table in _read("peer")["tables"] if table["numbers"]]
    every = list(dict.fromkeys(what for table in tables for what in table["numbers"]))
    rows = [(what, *(_two(table["numbers"].get(what)) for table in tables)) for what in every]
    return _table(("number", *(table["model"] for table in tables)), *rows)


def _two(found: Mapping[str, float | None] | None) -> str:
    """The peer's and ours."""
    values = [None, None] if found is None else [found["peer"], found["ours"]]
    return " / ".join("–" if value is None else f"{value:.6g}" for value in values)


def _read(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf8"))


BLOCKS: dict[str, Callable[..., str]] = {
    f.__name__: f
    for f in (
        *(files, contents, verbs, recipes, quantities, losses, atlas, metrics, measurable, tasks),
        *(ledger, field, counts, headlines, answers, caption, theory, speed, peer, peer_numbers),
    )
}


if __name__ == "__main__":
    for run in sys.argv[1:]:
        take(Path(run))
    for page in pages():
        page.write_text(filled(page.read_text(encoding="utf8")), encoding="utf8")
