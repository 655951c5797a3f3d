"""npo ask: one question to every model of a run."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from npo.llm import scale_or_error
from records.errors import UserError
from records.store import manifest

__all__ = ["ask", "models_of"]


def models_of(runs: Sequence[Path]) -> dict[str, Path]:
    """The models of runs by name: reference, retrained, and each unlearned one; UserError where there are none."""
    found: dict[str, Path] = {}
    for run in runs:
        known = {"reference (finetuned)": run / "finetune", "retrained": run / "retrain"}
        known |= {path.name: path for path in sorted(run.glob("unlearn/[!.]*"))}
        here = {name: path for name, path in known.items() if (path / "model" / "config.json").is_file()}
        here |= {name: path for name, path in known.items() if (path / "model" / "adapter_config.json").is_file()}
        if not here:
            raise UserError(f"{run} holds no models. Name a folder that `npo run` has written to, with models kept.")
        found |= {(name if len(runs) == 1 else f"{run.name}: {name}"): path for name, path in here.items()}
    return found


def ask(runs: Sequence[Path], question: str, answer: str | None) -> None:
    """Print the models' answers side by side, with the probability that each gives to the true answer."""
    scale_or_error()
    from scale.asking import Asked, known_answer

    if not question.strip():
        raise UserError("The question is empty. Ask something.")
    found = models_of(runs)
    truth = answer or next(filter(None, (known_answer(run, question) for run in runs)), None)
    table = Table("model", "answer", *(["probability of the true answer, a token"] if truth else []))
    for name, path in found.items():
        asked = Asked.of(path / "model", manifest(path)["settings"], question, truth)
        table.add_row(name, asked.answer or "(nothing)", *([f"{asked.probability:.3g}"] if truth else []))
    console = Console()
    console.print(f"question: {question}", markup=False, highlight=False)
    console.print(f"true answer: {truth or 'not known: give it with --answer'}", markup=False, highlight=False)
    console.print(table)
