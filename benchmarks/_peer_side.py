"""The peer's side of `benchmarks/peer.py`: what its own Python runs, with its classes as they are.

Nothing of the project is imported here, and of the peer only what lies in the folder that the user named. What is to
be done comes as a file of JSON; what was found goes to the standard output, a line of JSON each, and whatever else
anything prints goes to the standard error.

    python benchmarks/_peer_side.py JOB.json
"""

import importlib
import json
import os
import resource
import runpy
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

Job = Mapping[str, Any]


class Talk:
    """Lines of JSON with who started this process; turns are taken when a line comes."""

    def __init__(self) -> None:
        self.out: TextIO = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what libraries print goes to the log

    def tell(self, **found: Any) -> None:
        """What was found, in one line."""
        print(json.dumps(found), file=self.out, flush=True)

    def wait(self) -> None:
        """Until it is this side's turn; ends the process where nobody is there any more."""
        if not sys.stdin.readline():
            sys.exit(1)


class Clock:
    """Told of every step that ends: some that warm up, then turns of so many, each at the other's word.

    `about` is told when it is ready, what `between` gives after every turn.
    """

    def __init__(
        self, talk: Talk, job: Job, about: Mapping[str, Any], between: Callable[[], Mapping[str, Any]] = dict
    ) -> None:
        self.talk, self.about, self.between = talk, about, between
        self.warm, self.turns, self.each = job["warm"], job["turns"], job["steps"]
        self.done, self.since, self.worked = 0, time.perf_counter(), time.process_time()

    def step(self) -> bool:
        """A step has ended; was it the last?"""
        self.done += 1
        counted = self.done - self.warm
        if counted < 0 or counted % self.each:
            return False
        seconds = (time.perf_counter() - self.since) / self.each
        cpu = (time.process_time() - self.worked) / self.each
        if counted == 0:
            self.talk.tell(**self.about)
        else:
            self.talk.tell(seconds=seconds, cpu=cpu, peak=peak(), **self.between())
        if counted == self.turns * self.each:
            return True
        self.talk.wait()
        self.since, self.worked = time.perf_counter(), time.process_time()
        return False


def peak() -> float:
    """The peak resident set of this process so far, in MiB; not what it was handed by the one that started it."""
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)


def peers(name: str) -> Any:
    """A module of the peer, or of its environment."""
    return importlib.import_module(name)


class InOrder:
    """Forget and retain rows in the order they lie in, whatever is asked for: both sides train on the same batches."""

    def __init__(self, forget: Sequence[Any], retain: Sequence[Any]) -> None:
        self.forget, self.retain, self.next = forget, retain, 0

    def __len__(self) -> int:
        return len(self.forget)

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.next += 1
        return {"forget": self.forget[self.next - 1], "retain": self.retain[self.next - 1]}


METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "NPO": ("NPO", {"beta": 0.1, "alpha": 0.0, "gamma": 1.0, "retain_loss_type": "NLL"}),
    "NPO+RT": ("NPO", {"beta": 0.1, "alpha": 1.0, "gamma": 1.0, "retain_loss_type": "NLL"}),
    "GA+RT": ("GradDiff", {"alpha": 1.0, "gamma": 1.0, "retain_loss_type": "NLL"}),
    "NPO+KL": ("NPO", {"beta": 0.1, "alpha": 1.0, "gamma": 1.0, "retain_loss_type": "KL"}),
}
"""By our names: the peer's trainer and what it is given."""


def steps(job: Job, talk: Talk) -> None:
    """Train in turns, by the peer's own trainer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, TrainingArguments

    trainers, collators, _ = (peers(each) for each in ("trainer", "data.collators", "data.qa"))
    imported = peak()
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], torch_dtype=torch.float32)
    forget, retain = (_rows(job[name], tokenizer) for name in ("forget", "retain"))
    read = [part[i] for part in (forget, retain) for i in range(len(part))]
    tokens = sum(len(row["input_ids"]) for row in read) / len(forget) * job["batch"]
    clock = Clock(talk, job, {"imported": imported, "tokens": tokens})

    class Turns(TrainerCallback):
        """Says when a step has ended."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """The trainer calls it."""
            control.should_training_stop = clock.step()

    name, chosen = METHODS[job["method"]]
    arguments = TrainingArguments(
        output_dir=job["out"],
        per_device_train_batch_size=job["batch"],
        num_train_epochs=1,
        learning_rate=job["lr"],
        optim="adamw_torch",
        max_grad_norm=0.0,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        remove_unused_columns=False,
        disable_tqdm=True,
    )
    training = trainers.TRAINER_REGISTRY[name](
        model=model,
        train_dataset=InOrder(forget, retain),
        tokenizer=tokenizer,
        data_collator=collators.DataCollatorForSupervisedDataset(tokenizer),
        args=arguments,
        callbacks=[Turns()],
        **chosen,
    )
    training.train()


def _rows(file: str, tokenizer: Any) -> Any:
    hf_args = {"path": "json", "data_files": file, "split": "train"}
    return peers("data.qa").QADataset(hf_args, {"apply_chat_template": True}, tokenizer)


SETS = ("retain", "ra", "wf")
"""Of the nine parts of model utility, beside the set to forget."""


def examination(job: Job, talk: Talk) -> None:
    """Examine in turns, by the peer's own evaluator, of its metrics those that the other side has too."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], torch_dtype=torch.float32)
    evaluators = {part: _evaluator(job, part) for part in ("losses", "answers")}
    given = {"model": model, "tokenizer": tokenizer, "template_args": {"apply_chat_template": True}}
    talk.tell()
    for _ in range(job["turns"]):
        talk.wait()
        seconds, scores = dict[str, float](), dict[str, float]()
        for part, evaluator in evaluators.items():
            started = time.perf_counter()
            scores |= evaluator.evaluate(**given)
            seconds[part] = time.perf_counter() - started
        talk.tell(**seconds, whole=sum(seconds.values()), peak=peak(), scores={k: float(v) for k, v in scores.items()})


def _evaluator(job: Job, part: str) -> Any:
    """With the configuration that the peer ships: of its metrics those that need answers generated, or the others."""
    hydra, omega = peers("hydra"), peers("omegaconf").OmegaConf
    own = [f"paths.output_dir={job['out']}/{part}", "eval.tofu.overwrite=true", "task_name=beside"]
    with hydra.initialize_config_dir(version_base=None, config_dir=str(Path(job["source"]).parent / "configs")):
        cfg = hydra.compose("eval.yaml", overrides=["experiment=eval/tofu/default", *own])
    found = omega.to_container(cfg.eval.tofu, resolve=True)
    every = {**found["metrics"], **found["metrics"]["model_utility"]["pre_compute"]}
    names = ["forget_truth_ratio", "forget_Q_A_Prob", "extraction_strength", "forget_Q_A_ROUGE"]
    names += [name for name in every if name.startswith(tuple(f"{one}_" for one in SETS))]
    chosen = {name: every[name] for name in names if name.endswith("ROUGE") == (part == "answers")}
    for metric in chosen.values():
        metric.pop("access_key", None)
        if part == "answers" and job["new_tokens"]:
            metric["generation_args"]["max_new_tokens"] = job["new_tokens"]
    return peers("evals.tofu").TOFUEvaluator(omega.create({**found, "metrics": chosen}))


def command(job: Job, talk: Talk) -> None:
    """A whole command as it is typed, with the times of day at which the optimizer was asked for a step."""
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    at: list[float] = []
    register_optimizer_step_pre_hook(lambda *_: at.append(time.time()))
    sys.argv = job["words"]
    try:
        if job["script"].endswith(".py"):
            runpy.run_path(job["script"], run_name="__main__")
        else:
            runpy.run_module(job["script"], run_name="__main__", alter_sys=True)
    except SystemExit as done:
        if done.code:
            raise
    talk.tell(at=at, peak=peak())


DONE: dict[str, Callable[[Job, Talk], None]] = {"steps": steps, "examination": examination, "command": command}


def main() -> None:
    """Do what the file says."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf8"))
    sys.path.insert(0, job["source"])
    talk = Talk()
    import torch

    torch.set_num_threads(1)
    DONE[job["what"]](job, talk)


if __name__ == "__main__":
    main()
