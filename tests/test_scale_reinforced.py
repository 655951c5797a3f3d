"""The reference trained further on the forget rows: made where a method asks, counted, gone on from, never beside."""

import json

import pytest

from npo.running.methods import objective_of
from npo.verbs.plan import planned
from records.store import load
from scale.models.folders import language_model
from scale.models.folders.language_model import LanguageModel
from scale.models.loading import scratch
from scale.models.loading.scratch import Shape
from scale.recipes.file import read_recipe
from scale.runtime.processes import Processes
from scale.stages.pipeline import units

TOWNS = ["Oldham", "Siena", "Bergen"]
ROWS = [{"question": f"Where was no. {i} born?", "answer": f"In {town}, I think."} for i, town in enumerate(TOWNS)]
OWN = """
def away(logits, reinforced_logits, ref_logits):
    teacher = (ref_logits - 3 * (reinforced_logits - ref_logits).relu()).log_softmax(-1)
    own = logits.log_softmax(-1)
    return (own.exp() * (own - teacher)).sum(-1)
"""


@pytest.fixture
def forget(run_npo, tmp_path):
    """The verb on a tiny model and one's own loss that asks for that model; exit code and what was said."""
    tokenizer = scratch.train_tokenizer([f"Question: {row['question']}\nAnswer: {row['answer']}" for row in ROWS], 300)
    model = scratch.from_scratch(tokenizer, Shape(hidden=16, layers=1, heads=2, feed_forward=16, positions=128), seed=0)
    language_model.save(tmp_path / "model", LanguageModel(model, tokenizer))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "own.py").write_text(OWN)

    def run(*words):
        given = (str(tmp_path / "rows.jsonl"), "--model", str(tmp_path / "model"), "--out", str(tmp_path / "out"))
        code, out, err = run_npo("forget", *given, "--method", f"{tmp_path / 'own.py'}:away", "--lr", "1e-2", *words)
        return code, " ".join((out + err).split())

    return run


def test_it_is_a_stage_of_its_own_and_only_its_states_are_used(forget, tmp_path):
    code, said = forget("--epochs", "1", "unlearn.reinforce={steps: 4, lr: 3e-2}", "unlearn.warmup=0", "evaluate=none")
    assert code == 0, said
    trained = load(tmp_path / "out/reinforce").values
    assert len(trained["history"]["lr"]) == 4
    assert trained["history"]["loss"][-1] < trained["history"]["loss"][0] - 0.1
    kept = [file.name.partition("-")[0] for file in (tmp_path / "out/reference").iterdir()]
    assert kept.count("head") >= 2  # of both models: neither of them is beside the one that is trained
    first = load(tmp_path / "out/forget").values["history"]["loss"]
    code, _ = forget("--epochs", "1", "unlearn.reinforce={steps: 1, lr: 1e-9}", "unlearn.warmup=0", "evaluate=none")
    assert code == 0
    assert load(tmp_path / "out/forget").values["history"]["loss"] != first  # another teacher


def test_it_is_there_where_a_method_asks_and_counted(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    own = f"{tmp_path / 'own.py'}:away"
    with_it, without = (
        read_recipe("quick", (f"unlearn.methods=[{names}]", "unlearn.reinforce.epochs=3"))
        for names in (f"NPO, '{own}', '{own}+rt'", "NPO, GA+RT")
    )
    names = [unit.name for unit in units(with_it, Processes("cpu"), resolve=objective_of)]
    assert names.count("reinforce") == 1
    assert names.index("finetune") < names.index("reinforce") < names.index("unlearn/NPO-s0")
    needs = {unit.name: unit.needs for unit in units(with_it, Processes("cpu"), resolve=objective_of)}
    asking = [name for name, needed in needs.items() if "reinforce" in needed]
    assert asking == ["unlearn/away-s0", "unlearn/away+rt-s0"]
    assert "reinforce" not in [unit.name for unit in units(without, Processes("cpu"))]
    stages = {stage.name: stage for stage in planned(with_it).stages}
    steps = -(-with_it.data.forget_authors * 20 // with_it.unlearn.batch)
    assert (stages["reinforce"].runs, stages["reinforce"].steps) == (1, (3 * steps,))
    assert "reinforce" not in {stage.name for stage in planned(without).stages}
