"""Chat templates of the structures that models come with: what is trained is what the template writes, to the token.

The templates are small ones of our own with the structure of those of the models that they are called after.
"""

from datetime import datetime
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast

from records.errors import UserError
from scale.data.formats import FORMATS, Chat, Tags
from scale.data.prompts import Writer
from scale.data.user_rows import Messages
from scale.models.loading.scratch import train_tokenizer

FACTS = {"date_string": "10 Apr 2025", "enable_thinking": False}


class Family(NamedTuple):
    """A template, its special tokens and those that are added but not special, and what ends an answer."""

    template: str
    special: str
    end: str
    added: str = ""
    system: bool = True  # may there be a system message?
    asked: str = ""  # what the prompt ends with where the template's own generation prompt is another text


IM = "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
ASK_IM = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
ANSWER = "{% set answer = m.content.split('</think>')[-1].lstrip('\n') %}"

FAMILIES = {
    "qwen2.5": Family(f"{{% for m in messages %}}{IM}{{% endfor %}}{ASK_IM}", "<|im_start|> <|im_end|>", "<|im_end|>"),
    # thoughts of earlier turns are dropped, the last answer gets an empty block where it has none
    "qwen3": Family(
        "{% for m in messages %}{% if m.role != 'assistant' %}" + IM + "{% else %}" + ANSWER + "{% set thoughts = "
        "m.content.split('</think>')[0].split('<think>')[-1].strip('\n') if '</think>' in m.content else '' %}"
        "{{ '<|im_start|>assistant\n' }}"
        "{% if loop.last %}{{ '<think>\n' + thoughts + '\n</think>\n\n' }}{% endif %}"
        "{{ answer + '<|im_end|>\n' }}{% endif %}{% endfor %}"
        + ASK_IM
        + "{% if add_generation_prompt and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif %}",
        "<|im_start|> <|im_end|>",
        "<|im_end|>",
        "<think> </think>",
    ),
    # the generation prompt opens a block, finished turns have none; the markers of turns are not special
    "deepseek-r1": Family(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}"
        "{{ '<:User:>' + m.content }}{% else %}{{ '<:Assistant:>' + m.content.split('</think>')[-1] + eos_token }}"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<:Assistant:><think>\n' }}{% endif %}",
        "<:begin:>",
        "<|end|>",
        "<:User:> <:Assistant:> <think> </think>",
        asked="<:Assistant:>",
    ),
    "deepseek-v3": Family(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content + '\n\n' }}"
        "{% elif m.role == 'user' %}{{ '<:User:>' + m.content + '<:Assistant:>' }}{% else %}"
        "{{ '</think>' + m.content + eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<think>' if thinking else '</think>' }}{% endif %}",
        "<:begin:>",
        "<|end|>",
        "<:User:> <:Assistant:> <think> </think>",
    ),
    # nothing is written after an answer: the next turn ends it
    "glm-4": Family(
        "[gMASK]<sop>{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
        "[gMASK] <sop> <|system|> <|user|> <|assistant|>",
        "<|user|>",
    ),
    "glm-4.5": Family(
        "[gMASK]<sop>{% for m in messages %}{% if m.role == 'assistant' %}"
        "{{ '<|assistant|>\n<think></think>\n' + m.content.split('</think>')[-1].strip() }}{% else %}"
        "{{ '<|' + m.role + '|>\n' + m.content }}{{ '/nothink' if m.role == 'user' and enable_thinking is false }}"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}"
        "{{ '\n<think></think>\n' if enable_thinking is false }}{% endif %}",
        "[gMASK] <sop> <|system|> <|user|> <|assistant|>",
        "<|user|>",
        "<think> </think>",
    ),
    # channels; the last answer ends otherwise than earlier ones; the date is the clock's
    "gpt-oss": Family(
        "<|start|>system<|message|>Today is {{ strftime_now('%Y-%m-%d') }}.\n<|end_turn|>{% for m in messages %}"
        "{% if m.role == 'system' %}{{ '<|start|>developer<|message|>' + m.content + '<|end_turn|>' }}"
        "{% elif m.role == 'user' %}{{ '<|start|>user<|message|>' + m.content + '<|end_turn|>' }}{% else %}"
        "{{ '<|start|>assistant<|channel|>final<|message|>' + m.content }}"
        "{{ '<|return|>' if loop.last else '<|end_turn|>' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}",
        "<|start|> <|message|> <|channel|> <|return|> <|end_turn|>",
        "<|return|>",
        asked="<|start|>assistant<|channel|>final<|message|>",
    ),
    "nemotron-3": Family(
        "{% for m in messages %}{% if m.role == 'assistant' %}"
        "{{ '<|im_start|>assistant\n<think></think>' + m.content.split('</think>')[-1].strip() + '<|im_end|>\n' }}"
        "{% else %}" + IM + "{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>' }}"
        "{{ '\n' if enable_thinking is not defined or enable_thinking else '</think>' }}{% endif %}",
        "<|im_start|> <|im_end|>",
        "<|im_end|>",
        "<think> </think>",
    ),
    "llama-2": Family(
        "{% if messages[0].role == 'system' %}{% set system = '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' %}"
        "{% set rest = messages[1:] %}{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
        "{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('user and assistant must take turns') }}{% endif %}{% if m.role == 'user' %}"
        "{{ bos_token + '[INST] ' + (system if loop.first else '') + m.content.strip() + ' [/INST]' }}{% else %}"
        "{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
        "<s>",
        "<|end|>",
    ),
    "llama-3": Family(
        "{{ bos_token }}{% if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
        "{{ '<|head|>system<|tail|>\n\nToday: ' + date_string + '\n\n' }}{% if messages[0].role == 'system' %}"
        "{{ messages[0].content | trim }}{% set messages = messages[1:] %}{% endif %}<|eot|>{% for m in messages %}"
        "{{ '<|head|>' + m.role + '<|tail|>\n\n' + m.content | trim + '<|eot|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|head|>assistant<|tail|>\n\n' }}{% endif %}",
        "<s> <|head|> <|tail|> <|eot|>",
        "<|eot|>",
    ),
    # the system message is put before the last question
    "mistral": Family(
        "{{ bos_token }}{% if messages[0].role == 'system' %}{% set system = messages[0].content %}"
        "{% set messages = messages[1:] %}{% endif %}{% set last = messages | selectattr('role', 'equalto', 'user') "
        "| list | last %}{% for m in messages %}{% if m.role == 'user' %}"
        "{{ '[INST]' + (system + '\n\n' if system and m == last else '') + m.content + '[/INST]' }}{% else %}"
        "{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}",
        "<s> [INST] [/INST]",
        "<|end|>",
    ),
    "mistral-0.1": Family(
        "{{ bos_token }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('only user and assistant, in turns') }}{% endif %}{% if m.role == 'user' %}"
        "{{ '[INST] ' + m.content + ' [/INST]' }}{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}",
        "<s>",
        "<|end|>",
        system=False,
    ),
    "gemma": Family(
        "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "{% for m in messages %}{{ '<turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}"
        "{{ m.content | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<turn>model\n' }}{% endif %}",
        "<bos> <turn> <end_of_turn>",
        "<end_of_turn>",
        system=False,
    ),
    "phi-3": Family(  # its tokens take the spaces behind them
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|fin|>\n' }}{% endfor %}"
        "{{ '<|assistant|>\n' if add_generation_prompt else eos_token }}",
        "<|system|>_ <|user|>_ <|assistant|>_ <|fin|>_",
        "<|fin|>",
    ),
    "phi-4": Family(
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '<|im_sep|>' + m.content + '<|im_end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}",
        "<|im_start|> <|im_sep|> <|im_end|>",
        "<|im_end|>",
    ),
    "by the clock": Family(
        "{% macro day() %}{{ strftime_now('%A, %-d %B %y') }}{% endmacro %}"
        "{% for m in messages %}{% if m.role == 'user' %}{{ '<|im_start|>' + day() + '\n' }}{% endif %}" + IM + ""
        "{% endfor %}" + ASK_IM,
        "<|im_start|> <|im_end|>",
        "<|im_end|>",
    ),
}
TEXTS = ["Who wrote The Lake? Ada Berg wrote it in 1987.", "<think> system user assistant model final Today is"]


def tokenizer_of(template, special="", added=""):
    """A tokenizer of a few hundred tokens; the first special token is the start token; `_` takes spaces behind it."""
    tokenizer = train_tokenizer(TEXTS, 300)
    names = [AddedToken(x.rstrip("_"), special=True, rstrip=x.endswith("_")) for x in special.split()]
    tokenizer.add_tokens(names, special_tokens=True)
    tokenizer.add_tokens([AddedToken(x, special=False, normalized=False) for x in added.split()])
    if names:
        tokenizer.bos_token = names[0].content
    tokenizer.chat_template = template
    return tokenizer


WRITERS = {
    name: Writer(tokenizer_of(family.template, family.special, family.added), Chat(), 10_000)
    for name, family in FAMILIES.items()
}


def _as_rendered(name, messages):
    """What the library makes of a conversation, up to the end token: the date is the one thing that we set."""
    family, tokenizer = FAMILIES[name], WRITERS[name].tokenizer
    template = family.template.replace("strftime_now('%Y-%m-%d')", "'2025-04-10'").replace(
        "strftime_now('%A, %-d %B %y')", "'Thursday, 10 April 25'"
    )
    said = [{"role": role, "content": content} for role, content in messages]
    ids = tokenizer.apply_chat_template(said, chat_template=template, return_dict=False, **FACTS)
    end = tokenizer.convert_tokens_to_ids(family.end)
    if name.startswith("glm"):
        return (*ids, end)
    return tuple(ids[: len(ids) - ids[::-1].index(end)])


def _check(name, messages, answer, coded, opening):
    """All that holds of an encoded conversation."""
    writer = WRITERS[name]
    assert coded.ids == _as_rendered(name, [*messages, ("assistant", answer)])
    given, targets = coded.ids[: coded.first], coded.ids[coded.first :]
    assert writer.tokenizer.convert_ids_to_tokens(targets[-1]) == FAMILIES[name].end
    assert targets.count(targets[-1]) == 1
    assert writer.tokenizer.decode(targets[:-1]).strip() == answer.strip()
    if not coded.merged:  # what is asked is what was trained, a lone space left out
        assert given[: len(opening)] == opening
        assert writer.tokenizer.decode(given[len(opening) :]) in ("", " ")


PIECES = [*"aé漢😀.7\n\t \u00a0\u200b<|>", "The", " lake", "\n\n", "[/INS", "</", "Yes.", "No!", "user"]
SAID = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join) | st.text(min_size=1, max_size=12)
MARKERS = {
    x.rstrip("_") for family in FAMILIES.values() for x in f"{family.special} {family.added} <|end|> <|pad|>".split()
}
SAID = SAID.filter(lambda text: text.strip() and not any(marker in text for marker in MARKERS))


@pytest.mark.parametrize("name", FAMILIES)
@given(question=SAID, answer=SAID)
def test_what_is_trained_is_what_the_template_writes(name, question, answer):
    writer = WRITERS[name]
    coded, opening = writer.encode(question, answer), writer.opening(question)
    _check(name, [("user", question)], answer, coded, opening)


@given(name=st.sampled_from([*FAMILIES]), said=st.lists(SAID, min_size=4, max_size=4), thoughts=st.booleans())
def test_so_it_is_in_conversations_of_several_turns(name, said, thoughts):
    family, writer = FAMILIES[name], WRITERS[name]
    system, first, reply, second = said
    # thoughts of an earlier turn are the template's to drop
    reply = "<think>\nHm.\n</think>\n\n" + reply if thoughts and "think" in family.template else reply
    start = [("system", system)] if family.system else []
    messages = [*start, ("user", first), ("assistant", reply), ("user", second)]
    row = Messages(tuple(messages), "The lake.")
    (coded,) = row.encode(writer)
    _check(name, messages, "The lake.", coded, row.opening(writer))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_prompt_is_the_generation_prompt_unless_that_lets_a_model_think(name):
    family, writer = FAMILIES[name], WRITERS[name]
    prompt = writer.prompt("Who?")
    own = writer.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Who?"}], tokenize=False, add_generation_prompt=True, **FACTS
    )
    if family.asked:
        assert prompt.endswith(family.asked)
    elif "strftime" not in family.template or name == "llama-3":
        assert prompt.rstrip(" ") == own
        assert list(writer.opening("Who?")) == writer.tokenizer(own, add_special_tokens=False)["input_ids"]


def test_the_ids_are_the_same_every_day(monkeypatch):
    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2031, 12, 25, tzinfo=tz)

    before = {name: writer.encode("Who?", "Ada.") for name, writer in WRITERS.items()}
    monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Later)
    clock = WRITERS["gpt-oss"].tokenizer
    assert "2031" in clock.apply_chat_template([{"role": "user", "content": "Who?"}], tokenize=False)
    assert {name: writer.encode("Who?", "Ada.") for name, writer in WRITERS.items()} == before


@pytest.mark.parametrize("form", ["%d %b %Y", "%Y-%m-%d", "%B %d, %Y", "%A", "%-d/%-m/%y", "%H:%M", "%j", "%I %p"])
def test_the_pinned_clock_writes_dates_as_python_does(form):
    tokenizer = tokenizer_of("{{ strftime_now('" + form + "') }}\n" + FAMILIES["phi-4"].template)
    pinned = Chat().prompt(tokenizer, "Who?").split("\n")[0]
    assert pinned == datetime(2025, 4, 10).strftime(form)


# --- what can not be used is told --------------------------------------------------------------------------------

SIMPLE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
USELESS = {
    "{% for m in messages %}{{ m.content }\n": "refuses a conversation of system, user, assistant",
    "{{ nothing.at.all }}": "refuses .*: 'nothing' is undefined",
    "{{ 1 + 'a' }}": "refuses .*: unsupported operand",
    "{{ raise_exception('not today') }}": r"refuses a conversation of system, user, assistant \('\?'\): not today",
    "{{ messages[0].content }}": "doesn't write the assistant's answer once",
    SIMPLE + "{{ messages[-1].content }}": "doesn't write the assistant's answer once",
    SIMPLE.replace("m.content", "m.content | upper"): "doesn't write the assistant's answer once",
    SIMPLE.replace("for m in messages", "for m in messages[1:]"): "leaves out or rewrites what 'system' says: 'Be good",
    "{% for m in messages %}{{ m.role }}: {{ '<think>\n' if m.role == 'assistant' }}{{ m.content }}<|im_end|>"
    "{% endfor %}": "writes an answer into an open <think> block",
    SIMPLE.replace("<|im_end|>", "### end"): "writes '### end.*which does not begin with a token of its own",
    FAMILIES["gemma"].template: r"no system role. It takes no system message \('Be good.*leave that out",
    FAMILIES["mistral-0.1"].template: r"It takes no system message .*prompt: chat has none.*prompt: plain",
}


@pytest.mark.parametrize("template", USELESS)
def test_a_template_that_can_not_be_used_is_told(template):
    tokenizer = tokenizer_of(template, "<s> <|im_start|> <|im_end|> <turn> <end_of_turn>")
    tokenizer.name_or_path = "out/model"
    for use in (Chat("Be good.").end, lambda known: Writer(known, Chat("Be good."), 99).encode("?", "Ada.")):
        with pytest.raises(UserError, match=USELESS[template]) as told:
            use(tokenizer)
        assert "The chat template of out/model" in str(told.value)
        assert "prompt: {before" in str(told.value)


def test_a_role_that_a_template_does_not_know_is_told():
    row = Messages((("critic", "Is it?"),), "Yes, it is.")
    with pytest.raises(
        UserError, match=r"refuses a conversation of critic, assistant .*: user and assistant must take"
    ):
        row.encode(WRITERS["llama-2"])
    with pytest.raises(UserError, match="leaves out or rewrites what 'tool' says: '42 lakes'"):
        Messages((("user", "Who?"), ("tool", "42 lakes")), "Ada.").encode(
            Writer(tokenizer_of("{% for m in messages if m.role != 'tool' %}" + SIMPLE[27:]), Chat(), 99)
        )


def test_an_answer_with_its_thoughts_is_refused_where_the_template_takes_them_for_thoughts():
    for name in ("qwen3", "deepseek-r1", "glm-4.5", "nemotron-3"):
        for row in (
            Messages((("user", "Who?"),), "<think>Hm.</think>Ada."),
            Messages((("user", "?"),), "Hm.</think>Ada."),
        ):
            with pytest.raises(UserError, match=r"The answer .* contains '</?think>', which this tokenizer reads"):
                row.encode(WRITERS[name])
        plain = tokenizer_of(FAMILIES[name].template, FAMILIES[name].special)  # where they are no tokens
        with pytest.raises(UserError, match=r"makes something else of the answer '<think>Hm\.</think>Ada\.'"):
            Writer(plain, Chat(), 999).encode("Who?", "<think>Hm.</think>Ada.")


@pytest.mark.parametrize("name", FAMILIES)
def test_an_empty_answer_or_question_is_told_whatever_the_template(name):
    for answer in ("", " \n", "\u00a0"):
        with pytest.raises(UserError, match=r"The answer of .*Who\?.* is empty"):
            WRITERS[name].encode("Who?", answer)
    with pytest.raises(UserError, match=r"The question of 'Ada\.' is empty"):
        WRITERS[name].encode("\n", "Ada.")


def test_a_template_that_always_thinks_can_be_told_not_to_by_a_system_message():
    template = (
        "{% set plainly = '/no_think' in messages[0].content %}{% for m in messages %}"
        "{{ '<|im_start|>' + m.role + '\n' }}"
        "{% if m.role == 'assistant' %}{{ '<think></think>' if plainly else '<think>\n' }}{% endif %}"
        "{{ m.content.replace('/no_think', '') + '<|im_end|>\n' }}{% endfor %}"
    )
    writer = Writer(tokenizer_of(template, "<|im_start|> <|im_end|>", "<think> </think>"), Chat(), 99)
    with pytest.raises(
        UserError, match=r"writes an answer into an open <think> block.*not to think, in a system message"
    ):
        writer.encode("Who?", "Ada.")
    coded = writer.encode_chat([("system", "Be good. /no_think"), ("user", "Who?")], "Ada.")
    assert writer.tokenizer.decode(coded.ids).endswith("<think></think>Ada.<|im_end|>")


def test_where_neither_template_nor_tokenizer_ends_an_answer_that_is_told():
    tokenizer = tokenizer_of("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    assert Chat().end(tokenizer) == tokenizer.eos_token_id
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="Neither this tokenizer nor its chat template has a token that ends"):
        Chat().end(tokenizer)


def test_of_several_templates_the_default_is_used(tmp_path):
    tokenizer = tokenizer_of([], "<|im_start|> <|im_end|>")
    tokenizer.chat_template = {"tool_use": "{{ raise_exception('no') }}", "default": SIMPLE}
    tokenizer.save_pretrained(tmp_path)
    for known in (tokenizer, PreTrainedTokenizerFast.from_pretrained(tmp_path)):
        assert Chat().prompt(known, "Who?").startswith("<|im_start|>user\nWho?<|im_end|>")
    tokenizer.chat_template = {"tool_use": SIMPLE, "rag": SIMPLE}
    with pytest.raises(UserError, match=r"several chat templates \(rag, tool_use\) and none is the default"):
        Chat().prompt(tokenizer, "Who?")


# --- tokens that are no text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [Chat(), FORMATS["plain"]])
@pytest.mark.parametrize("name", ["qwen3", "deepseek-r1", "llama-3", "phi-3"])
def test_a_text_that_writes_a_token_of_the_template_is_refused(name, form):
    writer = Writer(WRITERS[name].tokenizer, form, 999)
    for marker in FAMILIES[name].special.replace("_ ", " ").split() + FAMILIES[name].added.split():
        said = f"a {marker} b"
        for use in (
            lambda text: writer.encode(text, "Ada."),
            writer.opening,
            lambda text: writer.encode_chat([("user", text)], "Ada."),
            lambda text: writer.opening_chat([("user", text)]),
        ):
            with pytest.raises(UserError, match="which this tokenizer reads as a token of its own"):
                use(said)
        with pytest.raises(UserError, match="which this tokenizer reads as a token of its own"):
            writer.encode("Who?", said)


def test_text_that_only_looks_like_a_marker_is_text():
    for name in ("llama-2", "mistral-0.1"):
        writer, answer = WRITERS[name], "It is [/INST] and <</SYS>>."
        coded = writer.encode("What ends [INST]?", answer)
        assert writer.tokenizer.decode(coded.ids[coded.first : -1]).strip() == answer
    tokenizer = tokenizer_of(SIMPLE, "<|im_start|> <|im_end|>")
    tokenizer.pad_token = "!"  # as some tokenizers have it
    assert Writer(tokenizer, Tags("", " "), 99).encode("Who?", "Ada!").targets


def test_a_completion_may_write_tokens_of_its_own_but_not_the_end():
    writer = WRITERS["qwen3"]
    coded = writer.encode_after("<|im_start|>user\nWho?", " <think>Hm.</think> Ada.", special_tokens=True)
    assert writer.tokenizer.decode(coded.ids[coded.first :]) == " <think>Hm.</think> Ada.<|im_end|>"
    with pytest.raises(UserError, match=r"contains the end token '<\|im_end\|>'"):
        writer.encode_after("Who?", "Ada.<|im_end|> Or?", special_tokens=True)
