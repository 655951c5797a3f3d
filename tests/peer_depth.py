"""What the code of UDS (arXiv:2605.24614) makes of `tests/depth_made_up.py`, its aggregates and Leak-k's of numbers.

    NPO_UDS=DIR NPO_LEAK=DIR .venv/bin/python tests/peer_depth.py     # writes tests/data/peer_depth.json

NPO_UDS is a folder with gnueaj/unlearning-depth-score at fc31639, NPO_LEAK one with OptimAI-Lab/Leak-k at a1c3db8.
Their files run as they are, on models and rows that are handed to their functions, in float64; of ours nothing is
imported but these inputs.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from depth_made_up import NAMES, ROWS, model, tokenizer

VALUES = Path(__file__).parent / "data" / "peer_depth.json"
TAU = 0.05
BY_HEART = ((0.70627, 0.97394, 0.10042, 0.68498), (0.05896, 0.58489, 0.05341, 0.5674), (1.0, 1.0, 0.5, 0.5))
AREAS = ((0.9965, 0.38736), (0.2, 0.38736), (0.38261, 0.38261), (0.0, 0.30889))
LEAKS = (0, 1, 7, 150, 200)


def rows() -> list[dict[str, Any]]:
    """As in its data file; answers are not generated, since they enter no score."""
    return [
        {"idx": i, "question": question, "prefix": prefix, "entity": entity, "answer": answer, "full_output": ""}
        for i, (question, prefix, entity, answer) in enumerate(ROWS)
    ]


def depth(models: dict[str, Any], reader: Any) -> dict[str, Any]:
    """UDS of the unlearned and of both other models: by row scores, drops by layer, UDS; rows that it skips."""
    import compute_uds

    compute_uds.generate_baseline = lambda *_, **__: ""
    found: dict[str, Any] = {}
    for name in NAMES:
        results, mean, skipped, _, _ = compute_uds._run_s1_s2_side_by_side_logprob_batch(
            models["retrained"], models[name], models["finetuned"], reader, rows(), [0, 1, 2],
            unlearn_name=name, delta_threshold=TAU, batch_size=3,
        )  # fmt: skip
        kept = ("full_score", "s1_deltas", "s2_deltas", "uds")
        by_row = {str(one["idx"]): {key: one[key] for key in kept} for one in results}
        found[name] = {"rows": by_row, "mean": mean, "skipped": skipped}
    return found


def representation(models: dict[str, Any], reader: Any) -> dict[str, Any]:
    """Logit-lens and CKA erasure of all three, with what they are made of."""
    import compute_representation_baselines as theirs

    contexts = theirs.prepare_contexts(reader, rows())
    states = {name: theirs.extract_hidden_states(one, reader, contexts, 3) for name, one in models.items()}
    lens = {name: theirs.compute_logit_lens_logprobs(models["finetuned"], states[name], contexts) for name in NAMES}
    anchor = {"ll_full": lens["finetuned"], "ll_ret": lens["retrained"]}
    cka = {name: theirs.compute_cka_scores(states[name], states["retrained"], states["finetuned"]) for name in NAMES}
    return {
        "rows": [context["idx"] for context in contexts],
        "lens": {name: [lens[name][layer] for layer in sorted(lens[name])] for name in NAMES},
        "lens_erasure": {name: theirs.compute_logit_lens_scores(lens[name], anchor, TAU)["score"] for name in NAMES},
        "cka": {name: [of["per_layer"][layer] for layer in sorted(of["per_layer"])] for name, of in cka.items()},
        "cka_erasure": {name: of["score"] for name, of in cka.items()},
    }


def aggregates() -> dict[str, Any]:
    """Memorisation of four scores, closeness of an AUC to the retrained model's, harmonic means, None for no value."""
    for name in ("sklearn", "sklearn.metrics"):
        sys.modules.setdefault(name, MagicMock())
    from uds import memorization, privacy_eval

    close = [privacy_eval._s_mia(*pair) for pair in AREAS]
    return {
        "by_heart": BY_HEART,
        "memorisation": [memorization.compute_mem_score(*scores) for scores in BY_HEART],
        "areas": AREAS,
        "close": close,
        "privacy": [privacy_eval._harmonic_mean(close[:n]) for n in (1, 2, 3, 4)],
    }


def leaks() -> dict[str, Any]:
    """leak@k of questions with so many leaks among 200 answers, and of four answers, where k may be more."""
    sys.path.insert(0, str(Path(os.environ["NPO_LEAK"]) / "TOFU" / "eval"))
    import whole_eval

    found: dict[str, Any] = {"leaks": LEAKS}
    for drawn, counts in ((200, LEAKS), (4, (0, 1, 4))):
        answers = [{"responses": [{"ES": int(i < count)} for i in range(drawn)]} for count in counts]
        with tempfile.TemporaryDirectory() as folder:
            lines = "".join(json.dumps(one) + "\n" for one in answers)
            (Path(folder) / "generations_n200_evaluated.json").write_text(lines, encoding="utf8")
            found[str(drawn)] = whole_eval.process_single_model_aggregation("", folder)
    return found


def main() -> None:
    """Write all of it."""
    folder = Path(os.environ["NPO_UDS"])
    sys.path[:0] = [str(folder), str(folder / "scripts")]
    torch.set_num_threads(1)
    models, reader = {name: model(name) for name in NAMES}, tokenizer()
    about = "What gnueaj/unlearning-depth-score at fc31639 and OptimAI-Lab/Leak-k at a1c3db8 make of these inputs."
    found = {"about": f"{about} Written by tests/peer_depth.py.", "depth": depth(models, reader)}
    found |= {**representation(models, reader), "aggregates": aggregates(), "leak": leaks()}
    VALUES.write_text(json.dumps(found, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
