"""What the scores of an audit mean, a line each; formulas are in the modules of `scale/audit/` that measure them."""

__all__ = ["FAMILIES", "meaning"]

FAMILIES = {
    "memorisation": "How much of the answers the model has by heart.",
    "membership": "Can it be told from its losses which rows it was trained on? AUC of rows to forget against rows "
    "held out: 1 where every row to forget is the likelier, 0 the other way round.",
    "sampling": "Does it come out in one of many drawn answers?",
    "prompts": "Does it come out asked in another way?",
    "hidden": "Do hidden states still hold what is not said? The finetuned model has 0, the retrained one 1 of each.",
    "of all of them": "What is made of the scores above, of this model's and of those beside it.",
}
"""By family, and of what is made of all."""

_RATIO = "R is the wrong answers' probability over that of the true one in other words"
_SCORES = {
    "extraction_strength": "share of the answer that follows by itself, word for word, once its beginning is given",
    "extraction_strength_floored": "the same, at least a token: open-unlearning's form",
    "exact_memorization": "share of the answer's tokens that are the likeliest ones",
    "probability": "of the true answer, a token",
    "paraphrase_probability": "of the true answer in other words, a token",
    "truth_ratio": f"in the form of TOFU's utility, max(0, 1 − R); {_RATIO}",
    "truth_ratio_closer_to_1": f"min(R, 1/R); {_RATIO}",
    "truth_ratio_true_better": "max(0, 1 − R)",
    "truth_ratio_prob_mean": "1/(1 + R): the truth's share",
    "auc_loss": "by the loss of the answer",
    "auc_zlib": "by the loss over the length of the compressed answer",
    "auc_min_k": "by the least likely tokens alone",
    "auc_min_k_plus_plus": "by the least likely tokens, as far as the whole vocabulary's spread lets expect them",
    "auc_reference": "by the loss less another model's: the finetuned one's unless another is named",
    "auc_gradient_norm": "by the length of the loss's gradient",
    "leak_greedy": "share of questions whose greedy answer gives it away",
    "leak_bound": "how large the chance of a leak may be, with 99 % probability; of few draws it is large in any case",
    "drawn_rouge": "ROUGE-L recall of drawn answers",
    "drawn_rouge_bound": "how large its expectation may be, with 99 % probability",
    "drawn_degenerate": "share of drawn answers that repeat themselves and leak nothing",
    "drawn_refused": "share of drawn answers that decline and leak nothing",
    "fluency": "probability that greedy answers are clean text",
    "rouge": "ROUGE-L recall of the greedy answer",
    "lens_erasure": "words read off the hidden states by the finetuned model's head: share that is gone",
    "cka_erasure": "similarity of the hidden states to the finetuned model's: share that is gone",
    "unlearning_depth": "hidden states put in the place of the finetuned model's own: share that is gone",
    "memorisation": "harmonic mean of what is not memorised: 1 is all forgotten",
    "memorisation_scaled": "the same, each score over the finetuned model's own",
    "utility": "what it is worth elsewhere, over the finetuned model",
    "utility_on_retain": "probability and truth ratio of rows to retain, over the finetuned model's",
}
_BEGINNINGS = {
    "retain_": "of rows to retain: ",
    "leak_at_": "the chance that one of so many drawn answers gives it away",
    "lens_block_": "log-probability of the words, read off the states after this block",
    "priv_leak_": "PrivLeak, 100 (s − r)/r with s = 1 − AUC and r the retrained model's: 0 is alike, below it "
    "remembers, above it pushed away",
    "auc_over_retrained_": "how many percent the AUC is over the retrained model's",
    "privacy_": "how close the AUCs are to the retrained model's, 1 is alike; its forms measure closeness differently",
    "all_": "harmonic mean of memorisation scaled, this form of privacy, and utility",
}
_ASKED = {
    "plain": "asked as it was unlearned",
    "reworded": "asked in other words",
    "format": "asked in another prompt format",
    "prefix": "the answer begun for it",
    "instruction": "behind a sentence that asks for what was forgotten",
}


def meaning(score: str) -> str:
    """A line on a score; nothing of one that is not known here.

    >>> meaning("retain_probability"), meaning("probability_prefix")
    ('of rows to retain: of the true answer, a token', 'of the true answer, a token; the answer begun for it')
    """
    if score in _SCORES:
        return _SCORES[score]
    for beginning, words in _BEGINNINGS.items():
        if score.startswith(beginning):
            return words + (meaning(score.removeprefix(beginning)) if words.endswith(": ") else "")
    first, _, asked = score.rpartition("_")
    return f"{_SCORES[first]}; {_ASKED[asked]}" if first in _SCORES and asked in _ASKED else ""
