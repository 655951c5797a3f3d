"""Greedy answers of many rows at once, each at its own pace: what has ended makes room for the next.

A step reads the last token of every row that is on its way, and behind it some that are guessed to follow
(`scale.models.answering.guesses`): where the likeliest token after each is the next guessed, several are had for one. A
processor reads a few dozen tokens in the time of one, so guesses fill a step up and no more. A token after a guess
counts only where it leads by `least` nats, for then it is the likeliest whether read so or by itself; the first of a
step always does. So answers are those of the library's greedy generation, which `generation` falls back on.

What all rows begin with (a system prompt) is read once.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from scale.models.answering.guesses import Guesses
from scale.models.answering.kept_rows import Kept, Stretch, reading_on
from scale.models.reading.faster import alike, alone
from scale.models.reading.scorer import Scorer

__all__ = ["Going", "read_all_on", "reads_on"]

TOGETHER = 48
"""Tokens of a step, if rows on their way are not more: below it a core's time goes into reading the weights."""
TRUST = (4, 16)
"""How many tokens are guessed for a row at first, and at most."""


@dataclass
class Going:
    """A row on its way: all its tokens so far, how many more there may be, and what may come next."""

    ids: list[int]
    left: int
    hint: Sequence[int] = ()
    new: list[int] = field(default_factory=list)
    trust: int = TRUST[0]

    def __post_init__(self) -> None:
        self.guesses = Guesses(self.hint)
        self.guesses.extend(self.ids)

    def take(self, tokens: Sequence[int], guessed: int, ends: Collection[int]) -> bool:
        """Go on with these tokens, all but the last as guessed; has the row ended?"""
        self.trust = (
            min(TRUST[1], 2 * self.trust) if len(tokens) > guessed > 0 else max(1, min(self.trust, len(tokens)))
        )
        end = next((i for i, token in enumerate(tokens) if token in ends), None)
        kept = list(tokens[:end][: self.left])
        self.ids += kept
        self.new += kept
        self.guesses.extend(kept)
        self.left = 0 if end is not None else self.left - len(kept)
        return self.left == 0


def read_all_on(
    scorer: Scorer, rows: Sequence[Going], ends: Collection[int], *, least: float, room: int, together: int = TOGETHER
) -> None:
    """Let every row go on to its end; `room` is how many tokens are kept at most (but one row's at least)."""
    device = scorer.plain.device
    width = max(len(row.ids) + row.left for row in rows)
    kept = Kept(max(1, min(len(rows), room // width)), width, device)
    shared = _common([row.ids for row in rows])
    waiting = deque(sorted(rows, key=lambda row: len(row.ids)))
    going: list[Going] = []
    with reading_on(scorer.plain, kept):
        while waiting or going:
            free = kept.rows - len(going)
            if waiting and (not going or free >= min(len(waiting), max(1, kept.rows // 4))):
                new = [waiting.popleft() for _ in range(min(free, len(waiting)))]
                _begin(scorer, kept, new, len(going), shared)
                going += new
            guessed = _guessed(going, together)
            said = _step(scorer, kept, going, guessed, least)
            ended = [row.take(tokens, len(more), ends) for row, tokens, more in zip(going, said, guessed, strict=True)]
            going = _closed_up(kept, going, ended)


def _common(rows: Sequence[list[int]]) -> int:
    """How many tokens all begin with, the last of each left out.

    >>> _common([[5, 6, 7, 8], [5, 6, 9]]), _common([[5, 6]])
    (2, 1)
    """
    least, most = min(rows), max(rows)  # what these two share, all between them do
    alike = next((i for i, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), len(least))
    return min(alike, *(len(row) - 1 for row in rows))


def _begin(scorer: Scorer, kept: Kept, rows: Sequence[Going], first: int, shared: int) -> None:
    """Read all but the last token of rows that come in at lines from `first` on."""
    if shared and not kept.layers:
        _read(scorer, kept, [rows[0].ids[:shared]], [0], 0)
    if shared:
        kept.repeat(shared, first, first + len(rows))
    if any(len(row.ids) - 1 > shared for row in rows):
        starts = [min(shared, len(row.ids) - 2) for row in rows]
        _read(scorer, kept, [row.ids[s:-1] for row, s in zip(rows, starts, strict=True)], starts, first)


def _read(scorer: Scorer, kept: Kept, tokens: Sequence[Sequence[int]], starts: Sequence[int], first: int) -> Tensor:
    """Final states (tokens, width) of what each of some lines reads, from its start on."""
    places = kept.begin([Stretch(start, len(one)) for start, one in zip(starts, tokens, strict=True)], first)
    ids = torch.tensor([token for one in tokens for token in one], device=places.device)
    kept_says = torch.ones(1, 1, 1, 1, dtype=torch.long, device=places.device)  # four dimensions: handed on as it is
    return scorer.states(ids[None], kept_says, places[None])[0]


def _guessed(going: Sequence[Going], together: int) -> list[list[int]]:
    """The tokens guessed for each row, most for those whose guesses were right."""
    spare = max(0, together - len(going))
    found: list[list[int]] = [[] for _ in going]
    for i in sorted(range(len(going)), key=lambda i: -going[i].trust):
        found[i] = going[i].guesses.next(min(spare, going[i].trust, going[i].left - 1))
        spare -= len(found[i])
    return found


def _step(
    scorer: Scorer, kept: Kept, going: Sequence[Going], guessed: Sequence[Sequence[int]], least: float
) -> list[list[int]]:
    """The next tokens of each row: those guessed that are the likeliest, and the one after them."""
    starts = [len(row.ids) - 1 for row in going]
    hidden = _read(scorer, kept, [[row.ids[-1], *more] for row, more in zip(going, guessed, strict=True)], starts, 0)
    logits = scorer.head().logits(hidden)
    likeliest = logits.argmax(dim=-1)
    sure = _sure(logits, likeliest, least) if any(guessed) else likeliest >= 0
    said, clear = likeliest.tolist(), sure.tolist()
    found, at = [], 0
    for more in guessed:
        count = 1
        while count <= len(more) and said[at + count - 1] == more[count - 1] and clear[at + count]:
            count += 1
        found.append(said[at : at + count])
        at += len(more) + 1
    return found


def _sure(logits: Tensor, likeliest: Tensor, least: float) -> Tensor:
    """Does the likeliest token lead the next by more than `least`? NaN never does."""
    first = logits.gather(1, likeliest[:, None])
    second = logits.scatter_(1, likeliest[:, None], -torch.inf).amax(dim=-1, keepdim=True)
    return (first - second > least)[:, 0]


def _closed_up(kept: Kept, going: Sequence[Going], ended: Sequence[bool]) -> list[Going]:
    """The rows that have not ended, in the first lines: the last come into the places of those that have."""
    left, gone = list(going), list(ended)
    for i in reversed(range(len(left))):
        if gone[i]:
            last = len(left) - 1
            if i < last:
                kept.move(last, i)
                left[i] = left[last]
            left.pop()
    return left


def reads_on(scorer: Scorer, rows: Sequence[Sequence[int]], width: int) -> bool:
    """Are the logits of rows read on by parts those of each row by itself? To `width`, the longest that any may get."""
    tried = sorted(map(list, rows), key=len)[:: max(1, len(rows) - 1)]
    more = [token for row in rows for token in row]
    tried[-1] += (more * (width // len(more) + 1))[: max(0, width - len(tried[-1]))]
    kept = Kept(len(tried), max(map(len, tried)), scorer.plain.device)
    plain = [alone(scorer, row, last=min(3, len(row))) for row in tried]
    with reading_on(scorer.plain, kept):
        for back in (3, 2, 1):  # all but the last two tokens; then two, of which one is read again; and so to the end
            starts = [0 if back == 3 else max(0, len(row) - back - 1) for row in tried]
            parts = [row[start : max(1, len(row) - back + 1)] for row, start in zip(tried, starts, strict=True)]
            last = torch.tensor([len(part) for part in parts]).cumsum(0) - 1
            hidden = _read(scorer, kept, parts, starts, 0)
            said = scorer.head().logits(hidden[last.to(hidden.device)])
            for row, logits, expected in zip(tried, said, plain, strict=True):
                if not alike(logits, expected[max(-back, -len(row))], scorer):
                    return False
    return True
