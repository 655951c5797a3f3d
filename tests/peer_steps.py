"""Steps by open-unlearning's own trainers, in its own Python, from its folder; nothing of the project is imported here.

    python peer_steps.py FOLDER CASES.json        writes OUT of each case: losses, and weights after the last step

A case: model (a folder), trainer, arguments of it, rows (forget, retain, each a list of [ids, where the answer
starts], in the order of training), batch, steps, out, and what of `TrainingArguments` differs from the rest.
"""

import json
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import torch

PAD = 0


def _rows(rows: list[Any]) -> list[dict[str, torch.Tensor]]:
    """Rows as the peer's data sets give them."""
    return [
        {"input_ids": torch.tensor(ids), "labels": torch.tensor([-100] * first + ids[first:])} for ids, first in rows
    ]


def steps(case: dict[str, Any]) -> None:
    """Train as the case says."""
    from data.collators import DataCollatorForSupervisedDataset
    from torch.utils.data import SequentialSampler
    from trainer import TRAINER_REGISTRY
    from transformers import AutoModelForCausalLM, TrainingArguments

    pairs = zip(_rows(case["forget"]), _rows(case["retain"]), strict=True)
    rows = [{"forget": forget, "retain": retain} for forget, retain in pairs]
    arguments = TrainingArguments(
        output_dir=case["out"] + ".log",
        per_device_train_batch_size=case["batch"],
        max_steps=case["steps"],
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        remove_unused_columns=False,
        disable_tqdm=True,
        logging_steps=10**6,
        **case["settings"],
    )
    trainer = TRAINER_REGISTRY[case["trainer"]](
        model=AutoModelForCausalLM.from_pretrained(case["model"]),
        train_dataset=rows,
        data_collator=DataCollatorForSupervisedDataset(types.SimpleNamespace(pad_token_id=PAD)),
        args=arguments,
        **case["arguments"],
    )
    trainer._get_train_sampler = lambda: SequentialSampler(rows)
    losses: list[float] = []
    plain = trainer.compute_loss

    def told(*given: Any, **more: Any) -> Any:
        loss = plain(*given, **more)
        losses.append(float(loss.detach()))
        return loss

    trainer.compute_loss = told
    trainer.train()
    torch.save({"losses": losses, "weights": dict(trainer.model.state_dict())}, case["out"])


def main() -> None:
    """Do all cases."""
    folder, cases = map(Path, sys.argv[1:])
    for absent in ("deepspeed", "lm_eval"):  # imported there, and not needed here
        sys.modules[absent] = types.ModuleType(absent)
        sys.modules[absent].__spec__ = ModuleSpec(absent, None)
    sys.path.insert(0, str(folder / "src"))
    for case in json.loads(cases.read_text(encoding="utf8")):
        steps(case)


if __name__ == "__main__":
    main()
