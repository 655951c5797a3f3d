"""The figures of language models: those of the main job and of kept runs, and those of any unlearning runs."""

from figures import (
    attacked_smollm2,
    attacks,
    audited_smollm2,
    battery_smollm2,
    llm_beta_law,
    llm_evolution,
    llm_forget_sets,
    llm_kl,
    llm_ladder,
    llm_metrics,
    llm_quality_utility,
    llm_retain_weight,
    metaevaluation,
    unlearning_by_epoch,
)
from npo.report.plate import Plate

__all__ = ["ATTACKS", "OF_MODELS", "RUNS"]

_CURVES = (
    "What a model knows of the rows to forget, with 95 % intervals over questions, level by level of an attack: "
    "trained further, on the rows to forget or others; weights rounded; the smallest taken away; mixed back towards "
    "the finetuned model. The retrained model is attacked in the same way: what it learns by that was not "
    "brought back. Probabilities below 10⁻⁵ are drawn there."
)
ATTACKS = Plate("attacks", "What attacks bring back", _CURVES, ("*attack/*",), attacks.draw)
"""Of a run whose recipe has attacks."""

OF_MODELS = (
    Plate("attacks", "What attacks bring back", _CURVES, ("llm/audited/*/attack/*",), attacks.draw),
    Plate(
        "unlearning_by_epoch",
        "A language model unlearns authors",
        "Probability, truth ratio and forget quality on the forget set and model utility, by epoch.",
        ("llm/unlearn/*",),
        unlearning_by_epoch.draw,
    ),
    Plate(
        "llm_beta_law",
        "Which β a language model needs",
        "NPO+RT at β over two decades (a mark a seed, a line their mean), against β times the wanted drop u*, the drop "
        "of the retrained model in nats an answer. Above left: the final drop follows the law with one budget (dashed) "
        "around the β at which it is as wanted, and leaves it where β is so small that NPO is gradient ascent (open "
        "squares) or so large that the first steps overshoot. Forget quality goes on rising beyond the wanted drop, "
        "where answers are wrecked.",
        ("llm/beta/*",),
        llm_beta_law.draw,
    ),
    Plate(
        "metaevaluation",
        "What a metric is worth",
        "Models that were taught the forget set, in its words or in others, against models that were taught nothing of "
        "it or wrong answers: twelve small Llamas and, in a block of its own, six of SmolLM2-135M, so few that an "
        "interval has no width where the pools are apart. (a) How well each score tells them apart, 1 is perfectly, "
        "with bootstrap intervals over models: as they are, after an epoch of relearning, in four bits. (b) How little "
        "a score of unlearned models is moved by relearning (beside the retrained one's) and by four bits, in both "
        "published forms. (c) The harmonic mean of the three. Kept runs.",
        ("llm/pools/*",),
        metaevaluation.draw,
    ),
    Plate(
        "tofu_forget_sets",
        "The real TOFU, all rows: its forget sets side by side",
        "A small Llama from scratch, kept runs of three seeds, after the paper's Figures 5, 6, 8 and 10. Above: where "
        "each method ends, from the finetuned model (grey square); the goal is the retrained one (black star). NPO+RT "
        "is there twice, at the paper's β and at the one that the rule chooses. Middle: forget quality by epoch; that "
        "of a wrecked model means nothing. Below: KL to the reference.",
        ("tofu/forget[01][0-9]/*",),
        llm_forget_sets.draw,
    ),
    Plate(
        "tofu_evolution",
        "The real TOFU, 5 % of the authors forgotten: forget quality and utility by epoch",
        "After the paper's Figures 6 and 8: kept runs of one seed, whose answers were taken after every epoch. GA "
        "passes the retrained model's truth ratios and goes on; NPO+RT at the rule's β comes to them and stops.",
        ("tofu/answers-*",),
        llm_evolution.draw,
    ),
    Plate(
        "tofu_metrics",
        "The real TOFU, 5 % of the authors forgotten: all measures",
        "After the paper's Figures 12 to 17: kept runs of twelve methods, means and ranges of three seeds. Answers, "
        "and so ROUGE, were taken before and at the end alone.",
        ("tofu/forget05/*",),
        llm_metrics.draw,
    ),
    Plate(
        "tofu_retain_weight",
        "The real TOFU: the weight of the retain term",
        "After the paper's Figure 11: forget quality and utility at the end of NPO+RT against the weight.",
        ("tofu/weights-*",),
        llm_retain_weight.draw,
    ),
    Plate(
        "smollm2_kl",
        "SmolLM2-135M moves away from its reference",
        "KL to the reference by epoch on real rows of TOFU, kept runs of three seeds (bands; GA+RT and DPO+RT two).",
        ("smollm2/*-s[0-9]",),
        llm_kl.draw,
    ),
    Plate(
        "audited_smollm2",
        "SmolLM2-135M audited: what is left after unlearning, and what comes back",
        "Scores of the forget set beside the retrained model's (dashed), with bootstrap intervals over the few "
        "questions asked: as the models are, after an epoch of relearning at unlearning's rate, in four bits (NF4).",
        ("smollm2/audited",),
        audited_smollm2.draw,
    ),
    Plate(
        "battery_smollm2",
        "SmolLM2-135M, the whole battery: how far from the retrained model",
        "Left: scores less the retrained model's, with 95 % intervals over questions. Then, for all models: the chance "
        "that one of k drawn answers gives it away; how probable answers are by how they are asked for; what the "
        "finetuned model's head reads in the states after each block.",
        ("smollm2/battery",),
        battery_smollm2.draw,
    ),
    Plate(
        "attacked_smollm2",
        "SmolLM2-135M attacked: what comes back",
        _CURVES,
        ("smollm2/battery",),
        attacked_smollm2.draw,
    ),
    Plate(
        "smollm2_ladder",
        "The law in SmolLM2-135M, rung by rung",
        "Above: the first forget answer alone lies on the law. Middle: four answers together are far from the curve at "
        "their collective clocks (dashed), and with the exact remainder as near as steps of a tenth allow. Below: "
        "plain descent and AdamW, by step.",
        ("smollm2/law/*",),
        llm_ladder.draw,
    ),
)

RUNS = (
    Plate(
        "llm_quality_utility",
        "Forget quality against model utility",
        "After the paper's Figure 5: each method's path from the finetuned model (square) to its end; the retrained "
        "model (star) is the goal.",
        ("*",),
        llm_quality_utility.draw,
        measures=("model_utility", "log10_forget_quality"),
    ),
    Plate(
        "llm_evolution",
        "Forget quality and utility by epoch",
        "After the paper's Figures 6 and 8; forget quality on a linear and a logarithmic axis. Bands span the seeds.",
        ("*",),
        llm_evolution.draw,
        measures=("model_utility", "log10_forget_quality"),
    ),
    Plate(
        "llm_kl",
        "KL to the reference",
        "After the paper's Figure 10: over the whole vocabulary, on answer tokens.",
        ("*",),
        llm_kl.draw,
    ),
    Plate(
        "llm_retain_weight",
        "The weight of the retain term",
        "After the paper's Figure 11.",
        ("*",),
        llm_retain_weight.draw,
        measures=("model_utility", "log10_forget_quality"),
    ),
    Plate(
        "llm_metrics",
        "All measures by epoch",
        "After the paper's Figures 12 to 17; dotted: the retrained model. What was measured at the ends alone is "
        "joined by a straight line.",
        ("*",),
        llm_metrics.draw,
    ),
)
