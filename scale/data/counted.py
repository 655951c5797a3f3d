"""Rows as open-unlearning reads them: an answer begins after as many tokens as its prompt has by itself.

    prompt    "…Answer: "        … Answer :  Ġ           so many tokens are no targets
    whole     "…Answer: The …"   … Answer :  ĠThe Ġ…     and so the first of the answer is none either

A chat template writes the whole conversation, what follows the end token too, and its own generation prompt; the
tokenizer's end-of-sequence token closes what does not end in it. Text between tags is cut after 512 tokens. Whatever
is the padding token is unseen, in the middle of a prompt too.  Source: locuslab/open-unlearning at d3d7cf9.
"""

from collections.abc import Sequence

from records.errors import UserError
from records.shown import shown
from scale.data.chat import conversation
from scale.data.prompts import Encoded, Writer
from scale.data.questions import Question
from scale.data.template import Message

__all__ = ["CountingWriter", "counting", "truth_after"]

MOST = 512
"""Tokens of a text between tags that are read."""


class CountingWriter(Writer):
    """Writes questions and answers so."""

    __slots__ = ()

    @property
    def pad(self) -> int:
        """The tokenizer's token for padding; the one that ends texts where it has none."""
        pad = self.tokenizer.pad_token_id
        return int(pad) if pad is not None else self.end

    @property
    def end(self) -> int:
        """The tokenizer's end-of-sequence token; UserError where it has none."""
        if self.tokenizer.eos_token_id is None:
            raise UserError("This tokenizer has no end-of-sequence token. Set eos_token in its tokenizer_config.json.")
        return int(self.tokenizer.eos_token_id)

    @property
    def unseen(self) -> frozenset[int]:
        """The padding token."""
        return frozenset({self.pad})

    def encode(self, question: str, answer: str) -> Encoded:
        """Question and answer in the model's format."""
        self.refuse(question, answer)
        given, whole = (self.format.written(self.tokenizer, question, said) for said in (None, answer))
        return self._counted(given, whole, between_tags=self.format.special_tokens)

    def encode_after(self, given: str, answer: str, *, special_tokens: bool) -> Encoded:
        """Any text that is given and an answer after it."""
        return self._counted(given, given + answer, between_tags=special_tokens)

    def encode_chat(self, messages: Sequence[Message], answer: str) -> Encoded:
        """The assistant's answer after several messages."""
        self.plain(*messages, ("answer", answer))
        given, whole = (conversation(self.tokenizer, messages, said) for said in (None, answer))
        return self._counted(given, whole, between_tags=False)

    def opening(self, question: str) -> tuple[int, ...]:
        """The prompt, a space at its end included."""
        self.refuse(question, "?")
        return self._ids(self.format.written(self.tokenizer, question, None), self.format.special_tokens)

    def opening_chat(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The template's own generation prompt."""
        self.plain(*messages)
        return self._ids(conversation(self.tokenizer, messages, None), between_tags=False)

    def opening_of(self, given: str, *, special_tokens: bool) -> tuple[int, ...]:
        """A text, a space at its end included."""
        return self._ids(given, special_tokens)

    def _ids(self, text: str, between_tags: bool) -> tuple[int, ...]:
        most = {"truncation": True, "max_length": MOST} if between_tags else {}
        return tuple(self.tokenizer(text, add_special_tokens=between_tags, **most)["input_ids"])

    def _counted(self, given: str, whole: str, *, between_tags: bool) -> Encoded:
        ids, first = self._ids(whole, between_tags), len(self._ids(given, between_tags))
        if ids and ids[-1] != self.end:
            ids = (*ids, self.end)
        if not 0 < first < len(ids):
            raise UserError(
                f"Of {shown(whole)} no token is left to predict after the {first} of its prompt, as open-unlearning "
                "counts them. Take the row out of the data, or choose another protocol."
            )
        self.fits(given, ids)
        # nothing comes after the last token that could attend to it
        return Encoded(ids, first, unseen=tuple(i for i, token in enumerate(ids[:-1]) if token in self.unseen))


def counting(writer: Writer) -> Writer:
    """A writer that writes so, of the same tokenizer and format."""
    return CountingWriter(*writer)


def truth_after(writer: Writer, question: Question) -> str:
    """What a generated answer is compared with: the words of the whole row less those of its prompt."""
    tokenizer, whole = writer.tokenizer, question.asked.encode(writer, question.truth)[0].ids
    said, asked = (
        tokenizer.clean_up_tokenization(str(tokenizer.decode(list(ids), skip_special_tokens=True)))
        for ids in (whole, question.asked.opening(writer))
    )
    return said.replace(asked, "").strip() if asked else said.strip()
