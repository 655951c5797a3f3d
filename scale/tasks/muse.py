"""MUSE: news or books to forget; what a model goes on saying of them, what it knows, and whether it gives itself away.

| set | what is asked | score |
|---|---|---|
| verbmem | the beginning of a document; 128 tokens, greedily | ROUGE-L F1 against its first 128 tokens that follow |
| forget_qa, retain_qa | a question after ten examples; 32 tokens, greedily | ROUGE-L F1, cut where the answer ends |
| forget, retain, holdout | nothing: the documents themselves | probability; Min-40 % |

From these `verbmem_f`, `knowmem_f`, `knowmem_r` (utility) in percent, and `privleak`, which takes a retrained model.

Set after set, each from the model before (sustainability); `data.scale=2` instead forgets two sets at once:

    npo run muse-tiny data.fold=1 --out out/1
    npo run muse-tiny data.fold=2 finetuned=out/1/unlearn/NPO+RT-s0/model retrained=out/1/retrain/model --out out/2

Not as in MUSE's code: its prompts end in "Answer: " with a space, which some tokenizers make a token of its own; here
the space belongs to the answer. Its greedy answers may begin with an empty line, which ends them; here texts are
stripped first.

Source: Shi et al., arXiv:2407.06460, and its code (swj0419/muse_bench).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from records.settings import Seed
from scale.data.idk import IDK_ANSWERS
from scale.data.muse import FOLDS, SHOWN, MuseChoice, MuseCorpus, Quiz, muse_corpus
from scale.data.questions import Question, QuestionSet, Reading, Verbatim
from scale.data.stories import quiz
from scale.data.user_rows import Document
from scale.evaluation.exam import Exam
from scale.evaluation.metrics.membership import auc, priv_leak
from scale.evaluation.protocols import Protocol
from scale.evaluation.results import SetResult, finite
from scale.tasks.corpus import Corpus
from scale.tasks.task import Task, TaskSettings

__all__ = ["MUSE", "MuseSettings"]

_FACTS = 5  # that can be asked of each story
_VERBATIM, _ANSWER = 128, 32  # new tokens
_BEGINNING = 60  # letters of a document that are shown to a person


class MuseSettings(TaskSettings):
    """Where MUSE's documents come from, and which of them are forgotten."""

    kind: str = "MUSE"
    source: str = Field("embedded", description="embedded (stories from a seed), hub, or the folder of MUSE's files")
    corpus: Literal["news", "books"] = "news"
    fold: int | None = Field(None, ge=1, le=FOLDS, description="sustainability: forget this one of four sets")
    scale: int | None = Field(None, ge=1, le=FOLDS, description="scalability: forget so many of four sets at once")
    joined: bool = Field(False, description="cut the documents of a set as one text, as the authors do")
    stories: PositiveInt = Field(12, le=10_000, description="embedded: documents of each set")
    questions: PositiveInt = Field(40, description="embedded: questions about what is forgotten, and what is retained")
    seed: Seed = Field(0, description="embedded: which stories")

    @model_validator(mode="after")
    def _fits(self) -> "MuseSettings":
        if self.fold and self.scale:
            raise ValueError("fold and scale both say what is forgotten: give one of them")
        most = self.stories * _FACTS - SHOWN
        if self.source == "embedded" and self.questions > most:
            raise ValueError(
                f"questions={self.questions}, and {self.stories} stories have {max(0, most)} beside the ten examples: "
                "ask for fewer questions, or more stories"
            )
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """The folder of its files."""
        return () if self.source in ("embedded", "hub") else (self.source,)


def corpus(settings: MuseSettings) -> Corpus:
    """The documents and questions of a run; UserError where the source can't give them."""
    read = muse_corpus(MuseChoice(**settings.model_dump(exclude={"kind", "joined"})))
    parts = (read.forget, read.retain, read.kept, read.later)
    forget, retain, kept, later = (_rows(part, joined=settings.joined) for part in parts)
    return Corpus(forget, retain, _sets(read), IDK_ANSWERS, read.source, kept=kept, later=later)


def _rows(texts: Sequence[str], *, joined: bool) -> tuple[Document, ...]:
    return tuple(Document(text) for text in (["\n\n".join(texts)] if joined and texts else texts))


def _sets(read: MuseCorpus) -> dict[str, QuestionSet]:
    """What is asked, in the order of the scores."""
    verbatim = tuple(Question(Verbatim(one.prompt), (one.truth,)) for one in read.verbatim)
    return {
        "forget": _documents(read.members),
        "retain": _documents(read.known),
        "holdout": _documents(read.others),
        "verbmem": QuestionSet(
            verbatim, {"f1": "verbmem", "degenerate": "degenerate"}, new_tokens=_VERBATIM, truth_tokens=_VERBATIM
        ),
        "forget_qa": _questions(read.forget_quiz),
        "retain_qa": _questions(read.retain_quiz),
    }


def _documents(texts: Sequence[str]) -> QuestionSet:
    asked = tuple(Question(Reading(text[:_BEGINNING]), (text,)) for text in texts)
    return QuestionSet(asked, {"probability": "probability", "min_k": "min_k"})


def _questions(asked: Quiz) -> QuestionSet:
    """Each question after the examples, in the words of MUSE's prompt."""
    before = quiz(asked.shown)
    questions = (Question(Verbatim(f"{before}Question: {q.question}\nAnswer: "), (q.answer,)) for q in asked.asked)
    return QuestionSet(tuple(questions), {"f1": "knowmem"}, new_tokens=_ANSWER)


# --- scores -----------------------------------------------------------------------------------------------------

_PERCENT = {"verbmem_f": "verbmem_f1", "knowmem_f": "forget_qa_f1", "knowmem_r": "retain_qa_f1"}


def muse_scores(
    values: Mapping[str, float],
    found: Mapping[str, SetResult],
    retrained: Mapping[str, SetResult] | None,
    protocol: Protocol,
) -> dict[str, float]:
    """MUSE's four: three in percent, PrivLeak against a retrained model where there is one; and the AUC itself."""
    del protocol
    scores = {name: 100 * values[of] for name, of in _PERCENT.items() if of in values}
    area = _auc(found)
    leak = {} if retrained is None else {"privleak": priv_leak(area, _auc(retrained))}
    return {**scores, **leak, "min_k_auc": area}


def _auc(found: Mapping[str, SetResult]) -> float:
    return auc(found["forget"].values["min_k"], found["holdout"].values["min_k"])


def muse_log(found: Mapping[str, SetResult], exam: Exam) -> dict[str, Any]:
    """The columns that MUSE's own evaluation writes, and below them what was said to each prompt."""
    scores = exam.scores(found)
    said = {
        name: [
            {"prompt": question.asked.shown, "gt": question.truth, "response": answer, "rougeL": float(f1)}
            for question, answer, f1 in zip(exam.sets[name].questions, part.answers, part.values["f1"], strict=True)
        ]
        for name, part in found.items()
        if part.answers
    }
    attack = {name: part.values["min_k"].tolist() for name, part in found.items() if "min_k" in part.values}
    return {
        **{name: scores.get(name) for name in _PERCENT},
        "auc": {"forget_holdout_Min-40%": finite(1 - _auc(found))},  # in MUSE's direction
        "Min-40%": attack,
        **said,
    }


MUSE = Task(
    name="MUSE",
    about="news or books: what is said verbatim, known and given away of them; from files, or stories from a seed",
    settings=MuseSettings,
    corpus=corpus,
    whole=(muse_scores,),
    log=muse_log,
    protocol="all-questions",
)
