"""The examples that a recipe sets before every question of an examination (`evaluate.few_shot`)."""

from records.paths import user_path
from scale.data.few_shot import Examples, chosen_examples
from scale.data.user_rows import read_user_rows
from scale.stages.shared.context import Context

__all__ = ["examples_of"]


def examples_of(context: Context) -> Examples:
    """Questions and answers of a file, or of rows to retain, none that is asked itself; none where none are wanted.

    UserError where there are too few.
    """
    wanted, corpus = context.asked.few_shot, context.corpus
    if wanted is None:
        return ()
    least = min(x for x in (context.exams.questions, context.asked.questions, 10**9) if x is not None)
    asked = [question for one in corpus.asked.values() for question in one.first(least).questions]
    named = wanted.rows and read_user_rows(user_path(wanted.rows, "evaluate.few_shot.rows"), None).rows
    return chosen_examples(named or (*corpus.retain, *corpus.kept), asked, count=wanted.count, seed=wanted.seed)
