"""An answer is judged to repeat itself alike in every script, whatever a tokenizer makes of its letters."""

import pytest

from scale.models.answering.generation import REPEATED, degenerate

THAI = (
    "เขาเกิดที่กรุงเทพมหานครในปีหนึ่งพันเก้าร้อยแปดสิบสองและเติบโตมากับพ่อแม่ซึ่งเป็นครูสอนหนังสือ "
    "ต่อมาเขาเขียนนวนิยายหลายเล่มเกี่ยวกับชีวิตของชาวนาและทะเลทางใต้ของประเทศไทย"
)
HINDI = (
    "उनका जन्म दिल्ली में हुआ था और उनके पिता एक डॉक्टर थे जबकि माता विद्यालय में पढ़ाती थीं। "
    "बाद में उन्होंने कई उपन्यास लिखे जिनमें गाँव के लोगों का जीवन और नदी के किनारे की कहानियाँ हैं।"
)
BURMESE = "သူသည် ရန်ကုန်မြို့တွင် မွေးဖွားခဲ့ပြီး စာရေးဆရာတစ်ဦး ဖြစ်သည်။ သူ၏ ဖခင်မှာ ဆရာဝန်ဖြစ်ပြီး မိခင်မှာ ကျောင်းဆရာမ ဖြစ်သည်။"
ENGLISH = "She was born in Oldham to a midwife and a baker, and wrote eleven novels about the sea and its weather."


def _by_bytes(text: str) -> float:
    """The share of 3-grams that have occurred before, of a tokenizer with a token a byte."""
    ids = text.encode()
    grams = [ids[i : i + 3] for i in range(len(ids) - 2)]
    return 1 - len(set(grams)) / len(grams)


@pytest.mark.parametrize("text", [THAI, HINDI, BURMESE])
def test_plain_text_of_three_bytes_a_letter_is_no_repetition(text: str) -> None:
    assert _by_bytes(text) > REPEATED  # as it was judged by the tokens
    assert not degenerate(list(text.encode()), text)


@pytest.mark.parametrize("text", [THAI, HINDI, BURMESE, "東京は日本の首都です"])
def test_repetition_is_seen_in_every_script(text: str) -> None:
    again = f"{text[:12]} " * 8
    assert degenerate(list(again.encode()), again)


def test_what_tofu_asks_is_judged_by_its_tokens_as_before() -> None:
    for ids in (list(ENGLISH.encode()), [5, 6, 7] * 4, [1, 2], []):
        grams = [tuple(ids[i : i + 3]) for i in range(len(ids) - 2)]
        plain = not ids or (bool(grams) and 1 - len(set(grams)) / len(grams) > REPEATED)
        assert degenerate(ids, ENGLISH) == plain
