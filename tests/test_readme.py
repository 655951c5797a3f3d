"""What the README says is true of this tree."""

import re
from pathlib import Path

import torch

from theory.losses import nll, npo


def _blocks(root: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (root / "README.md").read_text(encoding="utf8"), re.DOTALL)


def test_the_lines_for_ones_own_training_loop_run(root: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    (code,) = _blocks(root, "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    names: dict[str, object] = {}
    exec(code, names)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=50,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=0,
            eos_token_id=1,
        )
        model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(0)

    def batch() -> dict[str, torch.Tensor]:
        ids = torch.randint(50, (3, 8), generator=generator)
        labels = ids.clone()
        labels[:, :4] = -100
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}

    forget, retain = batch(), batch()
    answer_logp, unlearning_loss = names["answer_logp"], names["unlearning_loss"]
    assert callable(answer_logp)
    assert callable(unlearning_loss)
    ref = answer_logp(model, forget).detach()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(20):
        loss = unlearning_loss(model, forget, retain, ref)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert answer_logp(model, forget).mean() < ref.mean() - 1
    expected = npo(answer_logp(model, forget), ref, beta=0.1).mean() + nll(answer_logp(model, retain)).mean()
    torch.testing.assert_close(unlearning_loss(model, forget, retain, ref), expected)


def test_every_file_has_its_line_in_the_tree(root: Path) -> None:
    tree = (root / "README.md").read_text(encoding="utf8").split("## The tree")[1].split("## ")[0]
    for package in ("records", "theory", "synthetic", "scale", "figures", "npo", "notebooks", "benchmarks"):
        part = re.search(rf"^    {package}/ .*\n((?:      .*\n)*)", tree, re.MULTILINE)
        assert part, package
        for path in (*(root / package).glob("*.py"), *(root / package).glob("*.ipynb")):
            if path.name != "__init__.py":
                assert re.search(rf"^ +{re.escape(path.name)}  +\S", part[1], re.MULTILINE), f"{package}/{path.name}"


def test_every_named_thing_exists(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf8")
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf8"), re.MULTILINE)
    for target in re.findall(r"`?make ([a-z-]+)`?", text):
        assert target in targets
    for path in re.findall(r"\]\(((?!http)[^)]+)\)", text):
        assert (root / path).exists(), path
    tree = text.split("## The tree")[1].split("## ")[0]
    for name in re.findall(r"\b([a-z0-9_]+\.(?:py|ipynb))\b", tree):
        assert list(root.glob(f"*/{name}")) or list(root.glob(f"*/*/{name}")), name


def test_the_claims_table_has_every_claim_and_a_verdict(root: Path) -> None:
    from npo.ledger import CLAIMS

    text = (root / "README.md").read_text(encoding="utf8").split("<!-- claims -->")[1].split("<!-- /claims -->")[0]
    for claim in CLAIMS:
        (line,) = [
            line for line in text.splitlines() if line.startswith(f"| {claim.statement.replace('|', chr(92) + '|')} |")
        ]
        assert re.search(r"\*\*(holds|fails|not testable here)\*\*", line), claim.id


def test_the_theory_s_numbers_are_those_of_its_commands(root: Path) -> None:
    from theory.theorems.catalogue import CATALOGUE

    text = (root / "README.md").read_text(encoding="utf8")
    for name, exhibit in CATALOGUE.items():
        found = re.search(rf"^\| `npo theory {name}` \| holds at (\d+) points \| (\S+) \|", text, re.MULTILINE)
        assert found, name
        if name.startswith(("theorem-2", "instance")):
            continue  # a million steps each
        verdict = exhibit.theorem.check(exhibit.instance(0))
        assert verdict.points == int(found[1])
        printed = float(found[2])
        assert abs(printed - verdict.slack) <= 0.01 * abs(printed) + 1e-12, name
