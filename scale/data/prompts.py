"""From a question and an answer to token ids, and from those to batches.

Prompt and answer are tokenised once, as one text. What is predicted begins with the first token that reaches past the
prompt, even where that token starts on the prompt's last space (" The" is one token of a byte-level tokenizer; counting
the tokens of the prompt alone would lose it). One end token closes it.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from records.errors import UserError
from records.shown import shown
from scale.data.chat import Turn, prompt_of, said, turn_of
from scale.data.formats import Format
from scale.data.markers import markers, refuse_markers
from scale.data.template import Message
from theory.logprobs import IGNORE

__all__ = ["Batch", "Encoded", "Packed", "Writer", "collate", "span"]


class Encoded(NamedTuple):
    """The ids of a whole text; `ids[first:]` is what the model has to predict, the end token included.

    `merged` says that a token reaches from the prompt into the answer by more than the prompt's last space. `unseen`
    are positions that no later token attends to; there are some in `scale.data.counted` alone. `preamble` is how many
    tokens there are before the question: those of other rows of the same format too, and read once for a batch
    (`scale.models.reading.unpadded`).
    """

    ids: tuple[int, ...]
    first: int
    merged: bool = False
    unseen: tuple[int, ...] = ()
    preamble: int = 0

    @property
    def targets(self) -> int:
        """Answer tokens, the end token included."""
        return len(self.ids) - self.first


class Batch(NamedTuple):
    """Token ids, attention mask (1 on tokens, 0 on padding and what is unseen) and labels, each (batch, time)."""

    ids: Tensor
    mask: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The batch on another device."""
        return Batch(*(part.to(device) for part in self))


class Packed(NamedTuple):
    """Several answers in a row, and which position predicts which.

    All those to one question (`scale.models.reading.packed`), or rows one after another
    (`scale.models.reading.unpadded`).
    """

    ids: Tensor  # (rows, time)
    mask: Tensor  # (rows, 1, time, time), true where attention is allowed; or lengths (`…reading.rows_apart`)
    positions: Tensor  # (rows, time)
    predicts: Tensor  # (answers, longest) index into the flattened rows · time
    labels: Tensor  # (answers, longest), shifted as `theory.logprobs` expects

    def to(self, device: torch.device) -> "Packed":
        """The rows on another device."""
        return Packed(*(part.to(device) for part in self))


class Writer(NamedTuple):
    """Writes questions and answers as token ids: a tokenizer, a prompt format, the longest text that there may be.

    `tag_counts` takes the format's tag ("Answer: ") for a part of the answer, as TOFU does.
    """

    tokenizer: PreTrainedTokenizerBase
    format: Format
    max_length: int
    tag_counts: bool = False

    @property
    def pad(self) -> int:
        """A token for padding; any will do, since masks and labels follow from lengths."""
        pad = self.tokenizer.pad_token_id
        return int(pad) if pad is not None else self.end

    @property
    def end(self) -> int:
        """The token that ends an answer."""
        return self.format.end(self.tokenizer)

    @property
    def unseen(self) -> frozenset[int]:
        """Tokens of a prompt that nothing attends to: none."""
        return frozenset()

    def prompt(self, question: str) -> str:
        """The text before the answer."""
        return self.format.prompt(self.tokenizer, question)

    def encode(self, question: str, answer: str) -> Encoded:
        """Tokenise question and answer as one text, find the first answer token, close with one end token.

        UserError where a text is empty, has a token of the tokenizer's own in it, or is longer than the model reads.
        """
        self.refuse(question, answer)
        tag = len(self.format.tag) if self.tag_counts else 0
        turn = self.format.turn(self.tokenizer, question, answer)
        return self._encoded(turn, question, special_tokens=self.format.special_tokens, tag=tag)

    def refuse(self, question: str, answer: str) -> None:
        """UserError where one of them is empty, or has a token of the tokenizer's own in it."""
        if not question.strip():
            raise UserError(f"The question of {shown(answer)} is empty. Write one, or take the row out of the data.")
        if not answer.strip():
            raise UserError(f"The answer of {shown(question)} is empty. Write one, or take the row out of the data.")
        self.plain(("question", question), ("answer", answer))

    def encode_after(self, given: str, answer: str, *, special_tokens: bool) -> Encoded:
        """Any text that is given and an answer after it, in token ids, with nothing written around them."""
        return self._encoded(Turn(given, answer, "", self.end), given, special_tokens=special_tokens)

    def encode_chat(self, messages: Sequence[Message], answer: str) -> Encoded:
        """The assistant's answer after several messages, in token ids, by the tokenizer's chat template."""
        self.plain(*messages, ("answer", answer))
        asked = next((content for role, content in messages if role != "system"), "")
        return self._encoded(turn_of(self.tokenizer, messages, answer), asked, special_tokens=False)

    def plain(self, *messages: Message) -> None:
        """UserError where a message has a token of the tokenizer's own in it."""
        for role, content in messages:
            refuse_markers(self.tokenizer, said(role, content), role)

    def _encoded(self, turn: Turn, asked: str, *, special_tokens: bool, tag: int = 0) -> Encoded:
        """A turn in which something is asked in token ids; `tag` characters before the answer count as answer."""
        given, answer = turn.before, turn.answer
        if not answer.strip():
            raise UserError(f"The answer of {shown(given)} is empty. Write one, or take the row out of the data.")
        ids, spans = read(self.tokenizer, given + answer + turn.after, special_tokens=special_tokens)
        start = len(given) - tag
        # a marker that takes spaces behind it may reach into an answer that begins with some; unknown letters are text
        own = markers(self.tokenizer).keys() - {self.tokenizer.unk_token_id}
        reached = (i for i, (begin, end) in enumerate(spans) if end > start and (begin >= start or ids[i] not in own))
        first = next(reached, 0)
        if first == 0 or spans[first][0] >= start + tag + len(answer):
            raise UserError(
                f"Of {shown(given)} and {shown(answer)} one leaves no token: this tokenizer drops it, or both are one "
                "token. Write more into it, or take the row out of the data."
            )
        begins = spans[first][0]
        if ids[-1] != turn.end:
            ids.append(turn.end)
        self._check(given, answer, ids, first, turn.end)
        merged = begins < start and given[begins:start] != " "
        return Encoded(tuple(ids), first, merged, preamble=_before(given.find(asked.strip()), spans))

    def _check(self, question: str, answer: str, ids: Sequence[int], first: int, closing: int) -> None:
        if list(ids[first:]).count(closing) != 1:
            end = self.tokenizer.convert_ids_to_tokens(closing)
            raise UserError(
                f"The answer {shown(answer)} contains the end token {end!r}. Take it out of the data: "
                "it is added once, after the answer."
            )
        self.fits(question, ids)

    def fits(self, question: str, ids: Sequence[int]) -> None:
        """UserError where a question with its answer is longer than the model reads."""
        if len(ids) > self.max_length:
            raise UserError(
                f"Question and answer have {len(ids)} tokens, and at most {self.max_length} are read: "
                f"{shown(question)}. Shorten the row, take it out, or choose a model with a longer context."
            )

    def opening(self, question: str) -> tuple[int, ...]:
        """The ids after which an answer to a question is generated; UserError where it is empty or too long."""
        if not question.strip():
            raise UserError("The question is empty. Write one.")
        self.plain(("question", question))
        return self.opening_of(self.prompt(question), special_tokens=self.format.special_tokens)

    def opening_chat(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids after which the assistant's answer to several messages is generated."""
        self.plain(*messages)
        return self.opening_of(prompt_of(self.tokenizer, messages), special_tokens=False)

    def opening_of(self, given: str, *, special_tokens: bool) -> tuple[int, ...]:
        """The ids of any text that is given, less its last space, which belongs to the answer."""
        ids, _ = read(self.tokenizer, given.removesuffix(" "), special_tokens=special_tokens)
        if len(ids) > self.max_length:
            raise UserError(
                f"What is asked has {len(ids)} tokens, and the model reads {self.max_length}: {shown(given)}. "
                "Shorten it."
            )
        return tuple(ids)

    def beginning(self, text: str) -> tuple[int, ...]:
        """The ids of a document's first words, at most half of what is read: the rest is for what comes next."""
        ids, _ = read(self.tokenizer, text, special_tokens=True)
        return tuple(ids[: max(1, self.max_length // 2)])

    def document(self, text: str) -> tuple[Encoded, ...]:
        """A plain text, cut into pieces that the model reads; every token but a piece's first is predicted."""
        if not text.strip():
            raise UserError("A document is empty. Write something into it, or take it out of the data.")
        ids, _ = read(self.tokenizer, text, special_tokens=True)
        if ids[-1] != self.tokenizer.eos_token_id and self.tokenizer.eos_token_id is not None:
            ids.append(self.tokenizer.eos_token_id)
        pieces = [tuple(ids[i : i + self.max_length]) for i in range(0, len(ids), self.max_length)]
        return tuple(Encoded(piece, 1) for piece in pieces if len(piece) > 1)


def read(
    tokenizer: PreTrainedTokenizerBase, text: str, *, special_tokens: bool
) -> tuple[list[int], list[tuple[int, int]]]:
    """A text in token ids, each with its span of characters; of what a tokenizer adds, only what stands before.

    A start token that the text has already is not added again. UserError where a text can't be read.
    """
    if not tokenizer.is_fast:
        raise UserError(
            "This tokenizer doesn't tell which letters a token stands for. Name a model with tokenizer.json."
        )
    try:
        text.encode("utf8")
    except UnicodeEncodeError as error:
        near = text[max(0, error.start - 20) : error.start + 20]
        raise UserError(
            f"The text {near!r} has half a character ({text[error.start]!r}, a lone surrogate) in it. Save it as UTF-8."
        ) from None
    coded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=special_tokens)
    ids, spans = list(coded["input_ids"]), list(coded["offset_mapping"])
    while len(ids) > 1 and spans[-1] == (0, 0):
        del ids[-1], spans[-1]
    if tokenizer.bos_token_id is not None and ids[:2] == [tokenizer.bos_token_id] * 2 and special_tokens:
        del ids[0], spans[0]
    if not ids:
        raise UserError(f"The text {shown(text)} has no token: this tokenizer drops what is in it. Take the row out.")
    return ids, spans


def _before(character: int, spans: Sequence[tuple[int, int]]) -> int:
    """How many tokens end before a character; 0 where there is none (−1)."""
    return len(list(takewhile(lambda span: span[1] <= character, spans)))


def span(row: Encoded) -> tuple[object, ...]:
    """What an answer is read by: its row's token ids, where it begins, and what of it nobody attends to, if anything.

    >>> span(Encoded((5, 6, 2), 1))
    ((5, 6, 2), 1)
    """
    return (row.ids, row.first, *([row.unseen] if row.unseen else []))


def collate(rows: Sequence[Encoded], pad: int) -> Batch:
    """Pad on the right to the longest row; the mask follows from the lengths and what is unseen, never from the ids.

    >>> batch = collate([Encoded((5, 6, 2), 1), Encoded((5, 2), 1)], pad=2)
    >>> batch.mask.tolist(), batch.labels.tolist()
    ([[1, 1, 1], [1, 1, 0]], [[-100, 6, 2], [-100, 2, -100]])
    """
    time = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), time), pad)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORE)
    for i, row in enumerate(rows):
        length = len(row.ids)
        ids[i, :length] = torch.tensor(row.ids)
        mask[i, :length] = 1
        mask[i, list(row.unseen)] = 0
        labels[i, row.first : length] = ids[i, row.first : length]
    return Batch(ids, mask, labels)
