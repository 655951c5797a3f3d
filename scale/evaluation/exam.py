"""A model on its questions: NLL of answer, paraphrase, perturbed answers; its own answers; what they add up to."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from scale.data.prompts import Encoded, Writer
from scale.data.tofu import Row, Sets
from scale.evaluation import metrics
from scale.evaluation.metrics import Losses
from scale.evaluation.protocols import Protocol
from scale.evaluation.rouge import rouge_recall, said_of
from scale.models.generation import Answer, answers
from scale.models.packed import PackedQuestion, packable, question_of, score_packed
from scale.models.scoring import score_all
from scale.runtime.processes import Processes

__all__ = ["Exam", "SetResult", "about_rouge", "arrays", "examine", "finite", "from_arrays", "scores", "texts"]

TOKENS = 2048
"""Packed tokens of one forward pass on a CPU."""
UTILITY = ("_probability", "_rouge", "_truth_ratio")
"""What model utility is the mean of, on every set but the forget set; other measures leave it as it is."""


class SetResult(NamedTuple):
    """One set of questions: losses (n, …); ROUGE-1 and ROUGE-L recall and degeneracy of the model's answers, (n,).

    The last four are empty where no answers were generated.
    """

    losses: Losses
    tokens: Losses
    rouge1: np.ndarray
    rougeL: np.ndarray  # noqa: N815
    degenerate: np.ndarray
    answers: tuple[str, ...] = ()


class Exam(NamedTuple):
    """What a model is asked under a protocol: rows of each set that is not empty, in token ids too."""

    rows: Mapping[str, tuple[Row, ...]]
    encoded: Mapping[str, tuple[Encoded, ...]]
    protocol: Protocol
    writer: Writer

    @classmethod
    def of(cls, asked: Sets, protocol: Protocol, writer: Writer, *, most: int | None = None) -> "Exam":
        """The first questions of each set, as many as the protocol asks, or `most` if that is fewer."""
        least = min(x for x in (protocol.questions, most, 10**9) if x is not None)
        writer = writer._replace(tag_counts=protocol.tag_counts)
        rows = {name: rows[:least] for name, rows in asked._asdict().items() if rows}
        encoded = {
            name: tuple(
                writer.encode(row.question, text)
                for row in chosen
                for text in (row.answer, row.paraphrased_answer, *row.perturbed_answer)
            )
            for name, chosen in rows.items()
        }
        return cls(rows, encoded, protocol, writer)


def examine(
    scorer: torch.nn.Module, exam: Exam, processes: Processes, *, generate: bool = True
) -> dict[str, SetResult]:
    """Everything that is asked, of every set."""
    questions, pad = _questions(exam), exam.writer.pad
    if packable(scorer, questions, pad, processes):
        logp = score_packed(scorer, questions, pad, processes, tokens=processes.room(TOKENS)).logp
    else:
        every = [row for rows in exam.encoded.values() for row in rows]
        logp = score_all(scorer, every, pad, processes, tokens=processes.room(TOKENS)).logp
    said = _answers(scorer, exam, processes) if generate else {}
    found, start = {}, 0
    for name, encoded in exam.encoded.items():
        n, k = len(exam.rows[name]), len(encoded)
        count = np.array([row.targets for row in encoded], dtype=np.float64).reshape(n, -1)
        nll = -logp[start : start + k].double().numpy().reshape(n, -1) / count
        found[name] = _part(_losses(nll), _losses(count), exam.rows[name], said.get(name, []))
        start += k
    return found


def _questions(exam: Exam) -> list[PackedQuestion]:
    """Every row of every set, packed; where a row's prompts differ in tokens it takes several, in order."""
    questions = []
    for name, encoded in exam.encoded.items():
        width = len(encoded) // len(exam.rows[name])
        for i in range(0, len(encoded), width):
            questions += question_of(encoded[i : i + width])
    return questions


def _losses(columns: np.ndarray) -> Losses:
    return Losses(columns[:, 0], columns[:, 1], columns[:, 2:])


def _answers(scorer: torch.nn.Module, exam: Exam, processes: Processes) -> dict[str, list[Answer]]:
    asked = [row.question for rows in exam.rows.values() for row in rows]
    every = answers(scorer, asked, exam.writer, processes, exam.protocol.generation)
    found, start = {}, 0
    for name, rows in exam.rows.items():
        found[name] = every[start : start + len(rows)]
        start += len(rows)
    return found


def _part(losses: Losses, tokens: Losses, rows: Sequence[Row], said: Sequence[Answer]) -> SetResult:
    recall = [rouge_recall(row.answer, answer.text) for row, answer in zip(rows, said, strict=False)]
    return SetResult(
        losses,
        tokens,
        np.array([one.rouge1 for one in recall]),
        np.array([one.rougeL for one in recall]),
        np.array([float(answer.degenerate) for answer in said]),
        tuple(answer.text for answer in said),
    )


def about_rouge(exam: Exam) -> dict[str, dict[str, str]]:
    """{"rouge": of which set it is not the usual ROUGE, in words}; empty where it is the usual one throughout."""
    said = {name: said_of(row.answer for row in rows) for name, rows in exam.rows.items()}
    found = {name: words for name, words in said.items() if words is not None}
    return {"rouge": found} if found else {}


# --- what it adds up to -----------------------------------------------------------------------------------------


def finite(value: float) -> float | None:
    """A number that JSON can hold: None for NaN and the infinities."""
    return float(value) if math.isfinite(value) else None


def scores(
    found: Mapping[str, SetResult], protocol: Protocol, retrained: Losses | None = None
) -> dict[str, float | None]:
    """Means over the questions of every set, model utility, and forget quality against a retrained model.

    Model utility is the harmonic mean of the parts of all sets but the forget set; None where an answer was not
    generated, so that ROUGE is missing.
    """
    values: dict[str, float] = {}
    for name, part in found.items():
        values |= _of_set(name, part, protocol)
    parts = [values[key] for key in values if not key.startswith("forget_") and key.endswith(UTILITY)]
    rouge = all(len(part.rougeL) for name, part in found.items() if name != "forget")
    whole = {"model_utility": metrics.harmonic_mean(parts) if parts and rouge else math.nan}
    if retrained is not None:
        ratio = protocol.log_truth_ratio
        quality = metrics.forget_quality(ratio(found["forget"].losses), ratio(retrained))
        whole |= {
            "forget_quality": quality.p,
            "log10_forget_quality": quality.log10_p,
            "ks_statistic": quality.statistic,
        }
    return {key: finite(value) for key, value in {**whole, **values}.items()}


def _of_set(name: str, part: SetResult, protocol: Protocol) -> dict[str, float]:
    among = name in ("real_authors", "world_facts")
    probability = metrics.probability_among(part.losses) if among else metrics.probability(part.losses)
    values = {f"{name}_probability": float(probability.mean())}
    if len(part.rougeL):
        values[f"{name}_rouge"] = float(part.rougeL.mean())
        values[f"{name}_rouge1"] = float(part.rouge1.mean())
        values[f"{name}_degenerate"] = float(part.degenerate.mean()) if len(part.degenerate) else math.nan
    if part.losses.perturbed.shape[1]:
        ratio = protocol.log_truth_ratio(part.losses)
        of = metrics.forget_truth_ratio if name == "forget" else metrics.retain_truth_ratio
        values[f"{name}_truth_ratio"] = float(of(ratio).mean())
    return values


def texts(found: Mapping[str, SetResult], exam: Exam, count: int) -> list[dict[str, str]]:
    """`count` questions of each set, spread over it, with the true answer and the model's."""
    listed = []
    for name, part in found.items():
        n = len(part.answers)
        for i in [j * n // min(count, n) for j in range(min(count, n))]:
            row = exam.rows[name][i]
            listed.append({"set": name, "question": row.question, "answer": row.answer, "generated": part.answers[i]})
    return listed


_COLUMNS = ("rouge1", "rougeL", "degenerate")


def arrays(found: Mapping[str, SetResult]) -> dict[str, np.ndarray]:
    """Every number by question: `<set>.<loss>_nll` (nats per token), `<set>.<loss>_tokens`, ROUGE and degeneracy."""
    flat: dict[str, np.ndarray] = {}
    for name, part in found.items():
        for column in Losses._fields:
            flat[f"{name}.{column}_nll"] = getattr(part.losses, column)
            flat[f"{name}.{column}_tokens"] = getattr(part.tokens, column)
        flat |= {f"{name}.{column}": getattr(part, column) for column in _COLUMNS}
    return flat


def from_arrays(flat: Mapping[str, np.ndarray]) -> dict[str, SetResult]:
    """What `arrays` took apart; the answers' words are not in it."""
    return {
        name: SetResult(
            Losses(*(flat[f"{name}.{column}_nll"] for column in Losses._fields)),
            Losses(*(flat[f"{name}.{column}_tokens"] for column in Losses._fields)),
            flat[f"{name}.rouge1"],
            flat[f"{name}.rougeL"],
            flat[f"{name}.degenerate"],
        )
        for name in dict.fromkeys(key.partition(".")[0] for key in flat)
    }
