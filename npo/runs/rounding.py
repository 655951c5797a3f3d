"""What few bits leave of a language model's unlearning, as a small file of `figures/data/`.

    python -m npo.runs.rounding figures/data/rounding-tofu-mini.json tofu-mini --finetuned out/llm/finetune/model \
        --model "NPO+RT" out/llm/unlearn/NPO+RT-s0/model --machine "…"

Each further call adds its lines to the file, in place of those of the same model, grid, block, scale and `--born`; a
file of another recipe, other rows or another finetuned model is refused. The
matrices of the finetuned model are moved by a share (`--scales`) of what unlearning moved them by, then rounded on each
grid (`--grids`), with a scale for each `--block` of weights; all else stays as it was. With `--born` they are first put
on that grid, as those of a model that came from few bits. Of the forget rows, `--rows` of them evenly spaced, a reading
is the mean log-probability of an answer and the mean of its probability per token. A line of the file is a grid and a
scale, with

    size            Σ|δ|/ΣΔ of the matrices
    moved           before rounding
    rounded_known, rounded_moved, moved_rounded     by draw of the grid's shift, see `theory.theorems.rounding.walk`
    again           where the move began on the grid
    block, born     weights of a scale, the grid that the model came from
    spread          predicted for the share that survives, by the gradient
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from npo.program.ending import asking, ends_in_words
from npo.program.kept_file import begun, called, gone_on
from npo.program.names import check_models
from npo.program.recipe import recipe_here
from records.errors import UserError, together
from records.files import write_text
from scale.attacks.matrices import matrices_of
from scale.data.prompts import Encoded, collate
from scale.models.loading.whole import load
from scale.models.reading.scorer import BatchPart, Scorer
from scale.runtime.processes import Processes
from scale.stages.shared.prepared import context_of
from theory.theorems.rounding.law import survival
from theory.theorems.rounding.walk import BLOCK, Rounding, Walked, roundings, walks

__all__ = ["GRIDS", "SCALES", "KnownRows", "born_on", "known_model", "walked_model"]

PROGRAM = "npo.runs.rounding"
BATCH = 8
ALIKE = 1e-3
"""Two readings of the same model differ by less than this share."""
GRID = ("grid", "block", "born", "scale")  # what tells lines of a model apart
GRIDS = ("int8", "int4", "nf4", "fp4", "int3")
SCALES = (1.0, 0.3, 0.1, 0.03, 0.01)


class KnownRows(NamedTuple):
    """A finetuned model on some forget rows, and the matrices that are moved and rounded, as they were."""

    scorer: Scorer
    rows: tuple[Encoded, ...]
    pad: int
    matrices: Mapping[str, nn.Parameter]
    before: Mapping[str, Tensor]

    def put(self, weights: Mapping[str, Tensor]) -> None:
        """Give the model these matrices."""
        with torch.no_grad():
            for name, weight in weights.items():
                self.matrices[name].copy_(weight)

    def log_probs(self) -> Tensor:
        """Of every row's answer (nats), with whatever gradient is asked for."""
        batches = [self.rows[start : start + BATCH] for start in range(0, len(self.rows), BATCH)]
        device = next(iter(self.matrices.values())).device
        found = [self.scorer(collate(b, self.pad).to(device), [BatchPart(len(b))])[0]["logp"] for b in batches]
        return torch.cat(found).double()

    def read(self, weights: Mapping[str, Tensor]) -> np.ndarray:
        """Log-probabilities of the rows with these matrices."""
        self.put(weights)
        with torch.no_grad():
            return self.log_probs().cpu().numpy()

    def told(self, logp: np.ndarray) -> list[float]:
        """Mean log-probability of an answer; mean probability per token."""
        tokens = np.array([row.targets for row in self.rows])
        return [_digits(logp.mean()), _digits(np.exp(logp / tokens).mean())]


def known_model(recipe: str, finetuned: Path, rows: int) -> KnownRows:
    """The finetuned model of a recipe on so many of its forget rows, evenly spaced; TOFU from where NPO_DATA says."""
    context = context_of(recipe_here(recipe), Processes())
    language_model = context.ready(load(finetuned))
    writer = context.writer(language_model)
    every = [piece for row in context.corpus.forget for piece in row.encode(writer)]
    chosen = np.unique(np.linspace(0, len(every) - 1, rows).round().astype(int))
    scorer = context.scorer(language_model.model.eval())
    changed = matrices_of(language_model.model).changed
    for p in language_model.model.parameters():
        p.requires_grad_(False)
    before = {name: p.detach().clone() for name, p in changed.items()}
    return KnownRows(scorer, tuple(every[i] for i in chosen), writer.pad, changed, before)


def walked_model(
    known: KnownRows, unlearned: Path, grids: Mapping[str, Rounding], scales: Sequence[float], draws: int
) -> Iterator[list[dict[str, Any]]]:
    """The lines of one unlearned model, or of any other that has the finetuned one's matrices, grid by grid."""
    after = dict(load(unlearned).model.named_parameters())
    move = {name: after[name].detach().to(p.device) - p for name, p in known.before.items()}
    before = {scale: _before_rounding(known, move, scale, grids) for scale in scales}
    for name, grid in grids.items():
        found = []
        for scale, walked in zip(scales, walks(known.read, known.before, move, scales, grid, draws), strict=True):
            moved, spreads = before[scale]
            line = {"grid": name, "scale": scale, "moved": moved}
            found.append(line | _line(known, walked) | {"spread": spreads[name]})
        known.put(known.before)
        yield found


def born_on(known: KnownRows, grid: Rounding) -> KnownRows:
    """The rows, of the model whose matrices are rounded first."""
    return known._replace(before={name: grid.rounded(p) for name, p in known.before.items()})


def _line(known: KnownRows, walked: Walked) -> dict[str, Any]:
    by_draw = ("rounded_known", "rounded_moved", "moved_rounded")
    told = {name: [known.told(logp) for logp in getattr(walked, name)] for name in by_draw}
    return {"size": _digits(walked.size), **told, "again": known.told(walked.again)}


def _before_rounding(
    known: KnownRows, move: Mapping[str, Tensor], scale: float, grids: Mapping[str, Rounding]
) -> tuple[list[float], dict[str, float]]:
    """What so much of a move does, and by grid the spread that is predicted of the share that survives."""
    part = {name: scale * delta for name, delta in move.items()}
    moved = known.told(known.read({name: p + part[name] for name, p in known.before.items()}))
    slope = _slope(known, part)
    spreads = {}
    for name, grid in grids.items():
        gaps = {weight: grid.spacing(p) for weight, p in known.before.items()}
        spreads[name] = _digits(survival(*(_flat(x, move) for x in (slope, part, gaps))).spread)
    return moved, spreads


def _slope(known: KnownRows, move: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The gradient of the mean log-probability in the middle of the move, a batch at a time."""
    known.put({name: p + move[name] / 2 for name, p in known.before.items()})
    with torch.enable_grad():
        for p in known.matrices.values():
            p.requires_grad_(True)
        for start in range(0, len(known.rows), BATCH):
            part = known._replace(rows=known.rows[start : start + BATCH])
            (part.log_probs().sum() / len(known.rows)).backward()
    found = {name: p.grad for name, p in known.matrices.items() if p.grad is not None}
    for p in known.matrices.values():
        p.requires_grad_(False)
        p.grad = None
    return found


def _flat(weights: Mapping[str, Tensor], order: Mapping[str, Tensor]) -> np.ndarray:
    return torch.cat([weights[name].reshape(-1) for name in order]).double().cpu().numpy()


def _digits(number: float) -> float:
    return float(f"{number:.6g}")


def _told(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = asking("npo.runs.rounding", __doc__)
    parser.add_argument("file", type=Path, help="of results; made, or added to where its settings are these")
    parser.add_argument("recipe", help="whose rows to forget are read, by name or file")
    parser.add_argument("--finetuned", type=Path, required=True, help="the folder of the finetuned model")
    parser.add_argument(
        "--model", nargs=2, required=True, metavar=("LABEL", "FOLDER"), help="the unlearned one and its name"
    )
    parser.add_argument(
        "--grids", nargs="+", default=GRIDS, choices=sorted(roundings(BLOCK)), help="default: all but int2"
    )
    parser.add_argument(
        "--scales", nargs="+", type=float, default=SCALES, help="shares of the move; default: 1 0.3 0.1 0.03 0.01"
    )
    parser.add_argument("--block", type=int, default=BLOCK, help="weights that share a scale; default: %(default)s")
    parser.add_argument("--born", choices=sorted(roundings(BLOCK)), help="the grid that the model came from")
    parser.add_argument("--draws", type=int, default=2, help="shifts of the grid; default: %(default)s")
    parser.add_argument(
        "--rows", type=int, default=30, help="to forget that are read, evenly spaced; default: %(default)s"
    )
    parser.add_argument("--command", default=called(PROGRAM), help="to be kept in the file; default: this")
    parser.add_argument("--machine", default="", help="where")
    return parser.parse_args(words)


def run(told: argparse.Namespace) -> None:
    """Add a model to a file; UserError where its lines are of another recipe, other rows or another finetuned model."""
    label, folder = told.model
    content, *_ = together(
        lambda: begun(told.file, "models"),
        lambda: recipe_here(told.recipe),
        lambda: check_models([told.finetuned, Path(folder)], "Name folders that hold a model."),
        lambda: _check_number("--rows", told.rows),
        lambda: _check_number("--draws", told.draws),
        lambda: _check_number("--block", told.block),
    )
    known = known_model(told.recipe, told.finetuned, told.rows)
    whole, every = known.told(known.read(known.before)), roundings(told.block)
    kept = content | _head(told, content, known, whole)
    if told.born:
        known = born_on(known, every[told.born])
    more = {"block": told.block, "born": told.born}
    grids = {name: every[name] for name in told.grids}
    for lines in walked_model(known, Path(folder), grids, told.scales, told.draws):
        kept["models"][label] = _added(kept["models"].get(label, []), [line | more for line in lines])
        write_text(told.file, _written(kept))


def _check_number(option: str, number: int) -> None:
    if number < 1:
        raise UserError(f"{option} {number}: name 1 at least.")


def _head(
    told: argparse.Namespace, content: Mapping[str, Any], known: KnownRows, whole: Sequence[float]
) -> dict[str, Any]:
    """What a file says above its models: how it was made, of which rows, and how the finetuned model reads them."""
    now = {"recipe": told.recipe, "rows": len(known.rows), "weights": sum(p.numel() for p in known.before.values())}
    now["known"] = list(whole)
    before = {name: content[name] for name in now if name in content}
    if np.allclose(before.get("known", whole), whole, rtol=ALIKE, atol=0):  # another machine's sums end otherwise
        before |= {"known": now["known"]} if before else {}
    calls = {name: getattr(told, name) for name in ("command", "machine")}
    made = gone_on(told.file, content["made"] | before, calls | now)
    return {"made": {name: made[name] for name in calls}, **now}


def _added(before: Sequence[dict[str, Any]], lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines and those before them that tell of another grid."""
    new = {tuple(line[key] for key in GRID) for line in lines}
    return [line for line in before if tuple(line[key] for key in GRID) not in new] + list(lines)


def _written(kept: dict[str, Any]) -> str:
    rows = ",\n".join(
        f"{json.dumps(name, ensure_ascii=False)}: [\n" + ",\n".join(json.dumps(line) for line in one) + "]"
        for name, one in kept["models"].items()
    )
    head = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in kept.items() if name != "models")
    return "{" + head + ',\n"models": {\n' + rows + "\n}}\n"


if __name__ == "__main__":
    ends_in_words(lambda: run(_told()))
