"""The size of the gradient of each question's loss: small where a model was trained on it, unless it was unlearned."""

from collections.abc import Sequence

import torch
from torch import Tensor

from scale.audit.subject import AuditSubject
from scale.data.prompts import Encoded, collate
from scale.data.questions import Question
from scale.evaluation.metrics.membership import gradient_norm
from scale.models.reading.scorer import BatchPart

__all__ = ["gradient_norms"]


def gradient_norms(subject: AuditSubject, questions: Sequence[Question]) -> list[float]:
    """The mean over parameters of ‖∂ NLL/∂ parameter‖₂, of each question's true answer without its end (nats a token).

    One question after another, shared among the processes; dropout is off, and the model is as it was afterwards.
    Parameters that are not trained, or that an answer does not reach (experts), do not count; NaN for no token.
    """
    subject.scorer.eval()
    processes, answers = subject.processes, [question.encode(subject.writer)[0] for question in questions]
    found = torch.zeros(len(answers), dtype=torch.float64)
    for (number,), spare in processes.share([[i] for i in range(len(answers))]):
        norm = _norm(subject, answers[number])
        if not spare:
            found[number] = norm
    return processes.together(found).tolist()


def _norm(subject: AuditSubject, pieces: Sequence[Encoded]) -> float:
    """Of an answer in so many pieces, which are read one by one."""
    weights = [weight for weight in subject.scorer.parameters() if weight.requires_grad]
    ends = {subject.writer.end, *subject.writer.tokenizer.all_special_ids}
    total = sum(piece.targets for piece in pieces) - (pieces[-1].ids[-1] in ends)
    sums: list[Tensor | None] = [None] * len(weights)
    left = total
    for piece in pieces:
        counted = min(piece.targets, left)
        left -= counted
        if not counted:
            continue
        batch = collate([piece], subject.writer.pad).to(subject.processes.accelerator.device)
        with torch.enable_grad(), subject.processes.accelerator.autocast():
            (part,) = subject.scorer(batch, [BatchPart(1, ("token_logp",))])
            loss = -part["token_logp"][:counted].sum() / total
        grads = torch.autograd.grad(loss, weights, allow_unused=True)
        sums = [
            one if grad is None else grad if one is None else one + grad for one, grad in zip(sums, grads, strict=True)
        ]
    return gradient_norm([float(one.double().norm()) for one in sums if one is not None])
