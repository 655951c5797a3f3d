"""npo ask: one question to every model of a run."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from npo.running.recipes import scale_or_error
from npo.runs.finished import distinct_names, pieces_in, settings_of, why_unfinished
from records.errors import UserError
from records.plain import plain

__all__ = ["ask", "models_of"]


def models_of(runs: Sequence[Path]) -> tuple[dict[str, Path], list[str]]:
    """The finished models of runs by name: reference, retrained, each unlearned one; and what is not finished.

    UserError where a run has none.
    """
    runs = list({run.resolve(): run for run in runs}.values())
    found: dict[str, Path] = {}
    told: list[str] = []
    for run, name in zip(runs, distinct_names(runs), strict=True):
        here, more = _models_in(run)
        if not here:
            nothing = f"{run} holds no finished models. Name a folder that `npo run` has written to, with models kept."
            raise UserError("\n".join([nothing, *more]))
        found |= {(label if len(runs) == 1 else f"{name}: {label}"): path for label, path in here.items()}
        told += more
    return found, told


def _models_in(run: Path) -> tuple[dict[str, Path], list[str]]:
    known = {"reference (finetuned)": run / "finetune", "retrained": run / "retrain", "forgotten": run / "forget"}
    there = {label: path for label, path in known.items() if path.is_dir()}
    reasons = {path: why_unfinished(path) for path in there.values()}
    unlearned = pieces_in(run / "unlearn")
    whole = {label: path for label, path in there.items() if not reasons[path]}
    whole |= {path.name: path for path in unlearned.finished}
    told = [f"{path} is left out: {reason}." for path, reason in reasons.items() if reason] + unlearned.told
    configs = ("config.json", "adapter_config.json")
    return {x: p for x, p in whole.items() if any((p / "model" / name).is_file() for name in configs)}, told


def ask(runs: Sequence[Path], question: str, answer: str | None) -> None:
    """Print the models' answers side by side, with the probability that each gives to the true answer."""
    scale_or_error()
    from scale.stages.asking import Reply, known_answer

    if not question.strip():
        raise UserError("The question is empty. Ask something.")
    if answer is not None and not answer.strip():
        raise UserError("--answer is empty. Give the true answer, or leave it out.")
    found, told = models_of(runs)
    truth = answer or next(filter(None, (known_answer(judge, question) for judge in _examinations(runs))), None)
    table = Table("model", "answer", *(["probability of the true answer, a token"] if truth else []))
    for name, path in found.items():
        asked = Reply.of(path / "model", settings_of(path), question, truth)
        cells = [name, asked.answer or "(nothing)", *([f"{asked.probability:.3g}"] if truth else [])]
        table.add_row(*(Text(plain(cell)) for cell in cells))
    console = Console()
    for line in told:
        Console(stderr=True).print(plain(line), markup=False, highlight=False, soft_wrap=True)
    console.print(plain(f"question: {question}"), markup=False, highlight=False)
    console.print(plain(f"true answer: {truth or 'not known: give it with --answer'}"), markup=False, highlight=False)
    console.print(table)


def _examinations(runs: Sequence[Path]) -> list[Path]:
    """The finished examinations of runs, whose questions have known answers; of `npo forget` its own."""
    single = [run / "forget" for run in runs if not why_unfinished(run / "forget")]
    return [path for run in runs for path in pieces_in(run / "evaluate").finished] + single
