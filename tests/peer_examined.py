"""What open-unlearning makes of a model: run by the peer's own Python, with its files as they are.

    PYTHON tests/peer_examined.py JOB.json

A job names the peer's folder, a model's (one that its transformers reads), the tags or template of its prompts, a file
of rows for each of TOFU's sets, how many tokens are generated, and where TOFU_EVAL.json goes. Nothing of the project is
imported here. deepspeed and lm_eval, which the peer imports and does not need for this, may be absent.
"""

import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

ABSENT = "lm_eval lm_eval.models lm_eval.models.hf_vlms lm_eval.tasks"
SETS = {"retain_perturbed": "retain", "real_authors_perturbed": "real_authors", "world_facts_perturbed": "world_facts"}


def settings(job: dict[str, Any]) -> Any:
    """The peer's own settings of an examination, of these rows and this model."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    retrained = [f"eval.tofu.retain_logs_path={job['retain_logs']}"] if job.get("retain_logs") else []
    words = ["+eval/tofu_metrics=exact_memorization", "experiment=eval/tofu/default", *retrained]
    with initialize_config_dir(str(Path(job["peer"]) / "configs"), version_base=None):
        config = compose("eval", [*words, "task_name=examined", f"eval.tofu.output_dir={job['out']}"])
    chosen = OmegaConf.to_container(config.eval, resolve=True)
    del chosen["tofu"]["metrics"]["privleak"]  # which needs rows that were held out
    _rows(chosen, job)
    return OmegaConf.create(chosen)


def _rows(node: Any, job: dict[str, Any]) -> None:
    """Rows from files instead of from the hub, and so many new tokens, wherever the settings name some."""
    for key, value in list(node.items()) if isinstance(node, dict) else enumerate(node or ()):
        if key == "hf_args":
            name = SETS.get(value["name"], "forget")
            node[key] = {"path": "json", "data_files": job["data"][name], "split": "train"}
        elif key == "generation_args":
            value["max_new_tokens"] = job["new_tokens"]
        elif isinstance(value, dict | list):
            _rows(value, job)


def main() -> None:
    """Examine."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf8"))
    for name in ABSENT.split():
        sys.modules.setdefault(name, MagicMock())
    sys.path.insert(0, str(Path(job["peer"]) / "src"))
    import torch
    from evals.tofu import TOFUEvaluator
    from model import get_model
    from omegaconf import OmegaConf

    torch.set_num_threads(1)
    args = {"pretrained_model_name_or_path": job["model"]}
    model, tokenizer = get_model(
        OmegaConf.create(
            {"model_args": {**args, "attn_implementation": "sdpa"}, "tokenizer_args": args, "template_args": {}}
        )
    )
    evaluator = TOFUEvaluator(settings(job).tofu)
    evaluator.evaluate(
        model=model, tokenizer=tokenizer, template_args=OmegaConf.create(job["template_args"]), overwrite=True
    )


if __name__ == "__main__":
    main()
