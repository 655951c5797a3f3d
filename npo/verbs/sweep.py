"""npo sweep: every method and seed of a recipe as a job of its own, on a cluster or on this machine."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from npo.running.methods import objective_of
from npo.running.recipes import RecipeChoices, read
from records.errors import UserError
from records.plain import plain
from records.store import writable

__all__ = ["sweep"]


def sweep(
    choices: RecipeChoices,
    out: Path | None,
    *,
    cluster: str,
    partition: str | None,
    gpus: int,
    hours: int,
    parallel: int,
) -> None:
    """Submit one job for the models, then one for each unlearning run; wait for all, and tell how each ended."""
    recipe = read(choices)
    from scale.stages.pipeline import units

    names = [unit.name for unit in units(recipe, resolve=objective_of)]
    executor = _executor(out or choices.out, cluster)
    options: dict[str, Any] = {"timeout_min": hours * 60}
    if cluster == "slurm":
        options |= {"gpus_per_node": gpus, "slurm_array_parallelism": parallel}
        options |= {"slurm_partition": partition} if partition else {}
    executor.update_parameters(**options)
    console = Console(stderr=True)
    if (verb := models_verb(names)) is not None:
        _wait(console, {"models": _submit(executor, choices, out, verb)})
    for runs in in_turn(names):
        at_once = parallel if cluster == "local" else len(runs)
        for start in range(0, len(runs), at_once):
            several = runs[start : start + at_once]
            _wait(console, {name: _submit(executor, choices, out, "run", "--unit", name) for name in several})


def models_verb(names: Sequence[str]) -> str | None:
    """The verb that makes what all unlearning runs need, by the names of a recipe's units; None where there is nothing.

    >>> models_verb(["finetune", "evaluate/finetune", "unlearn/GA-s0"]), models_verb(["finetune", "unlearn/GA-s0"])
    ('evaluate', 'finetune')
    >>> models_verb(["unlearn/GA-s0"])
    """
    if any(name.startswith("evaluate/") for name in names):
        return "evaluate"
    return "finetune" if "finetune" in names else None


def in_turn(names: Sequence[str]) -> list[list[str]]:
    """The units that are jobs of their own, those that can run side by side together: what β needs, β, the runs.

    >>> in_turn(["finetune", "auto-beta/wanted", "auto-beta/NPO", "unlearn/NPO-s0", "unlearn/NPO-s1"])
    [['auto-beta/wanted'], ['auto-beta/NPO'], ['unlearn/NPO-s0', 'unlearn/NPO-s1']]
    """
    wanted = [name for name in names if name == "auto-beta/wanted"]
    betas = [name for name in names if name.startswith("auto-beta/") and name not in wanted]
    runs = [name for name in names if name.startswith("unlearn/")]
    return [several for several in (wanted, betas, runs) if several]


def _executor(folder: Path, cluster: str) -> Any:
    os.environ.setdefault("SUBMITIT_LOG_LEVEL", "NOCONFIG")  # else it closes every log handler of this process
    try:
        import submitit
    except ImportError:
        raise UserError("Sweeps need the package submitit: pip install -e '.[slurm]'.") from None
    if cluster not in ("slurm", "local"):
        raise UserError(f"--cluster {cluster}: choose slurm or local.")
    if cluster == "slurm" and not submitit.SlurmExecutor.affinity() > 0:
        raise UserError("There is no SLURM here (srun is not found). Use --cluster local, or log in to the cluster.")
    return submitit.AutoExecutor(folder=str(writable(folder) / "jobs"), cluster=cluster)


def _submit(executor: Any, choices: RecipeChoices, out: Path | None, verb: str, *more: str) -> Any:
    words = [sys.executable, "-m", "npo.cli", verb, choices.name, *choices.words, *more]
    words += ["--out", str(out)] if out else []
    return executor.submit(_command, words)


def _command(words: list[str]) -> None:
    """What a job does; a job that is cancelled takes the command with it, as submitit's own helper would not."""
    subprocess.run(words, check=True)


def _wait(console: Console, jobs: Mapping[str, Any]) -> None:
    """Until all have ended; UserError naming those that failed, and where their words are. Ctrl-C cancels them."""
    failed = []
    try:
        for name, job in jobs.items():
            error = job.exception()
            console.print(plain(f"{name}: {'failed' if error else 'done'}"), highlight=False, markup=False)
            if error:
                failed.append(f"  {name}: {job.paths.stderr}")
    except KeyboardInterrupt:
        for job in jobs.values():
            job.cancel(check=False)  # else the same command would find them at work
        raise
    if failed:
        raise UserError("These jobs failed; what they said is in\n" + "\n".join(failed))
