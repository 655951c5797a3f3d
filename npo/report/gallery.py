"""The figures of the main job and of unlearning runs: from which results each is drawn, and what a reader should see.

Every figure is `draw(results) -> Figure` of saved data by unit name. Those of one verb alone are not here:
`figures.llm_ladder` of `npo law`, `logistic_runs` and `logistic_grid` of `npo synthetic`, and the notebooks'.
"""

from figures import (
    adam_regimes,
    atlas,
    atlas_against_practice,
    atlas_grid,
    chosen_beta,
    every_loss_one_law,
    field_bounded,
    field_lengths,
    field_mixing,
    field_squeezing,
    field_traces,
    field_weights,
    logistic_beta_sweep,
    logistic_forget_kl,
    logistic_fronts,
    logistic_law,
    logistic_long_run,
    logistic_methods,
    one_curve,
    proposition_1,
    recovery_part,
    rounding_bits,
    rounding_phase,
    steps_to_margin,
    swept_beta,
    theorem_2,
    transformer_answers,
    transformer_law,
    transformer_methods,
    transformer_optimisers,
    transformer_overlap,
    transformer_time,
)
from npo.report.model_plates import OF_MODELS, RUNS
from npo.report.plate import Plate
from npo.report.recovery_plates import OF_RECOVERY

__all__ = ["GALLERY", "RUNS", "Plate"]


GALLERY = (
    Plate(
        "one_curve",
        "The intrinsic-time law",
        "In intrinsic time, ∫ η‖∇log π‖² dt, gradient ascent is a straight line and NPO one curve without a parameter. "
        "Left: single examples of a linear model, a small network, random features, a transformer and SmolLM2-135M lie "
        "on them, for every β; nothing is fitted. Right, with the curve made straight: the examples of whole forget "
        "sets, each at its set's collective clock (open), are off the curve; the exact remainder of unequal weights "
        "and couplings puts them back (filled). Of each model the set that leaves it furthest, at the end of its path; "
        "eight of its examples at most, without those that others push back up.",
        ("theory/intrinsic-time",),
        one_curve.draw,
        optional=("logistic/law", "transformer/single-*", "transformer/set-*", "smollm2/law/*"),
    ),
    Plate(
        "every_loss_one_law",
        "Intrinsic time for every loss",
        "(a) The drop of one answer against intrinsic time: every loss has a law of its own, T = ∫ du/w(u), w its "
        "gradient weight; lines are the laws, marks descent, nothing is fitted. (b) Made straight, the losses of all "
        "models are one line; losses that look at tokens are on answers of one token. (c) Several examples, or the "
        "tokens of one answer under a loss of tokens, leave their laws by the collective clock (open); the exact "
        "remainder, with every example's own weight, puts them back (filled). Of each model those that leave furthest.",
        ("logistic/loss-times",),
        every_loss_one_law.draw,
        optional=("transformer/loss-times", "smollm2/losses"),
    ),
    Plate(
        "atlas",
        "The atlas: how fast every loss runs away",
        "The margin of one answer in flow time, class by class: steep means that it never stops, flat that it hardly "
        "moves any more. Lines are the flow of each loss's own kernel, integrated; dotted is the law that is predicted "
        "from its formula, with nothing fitted. Gradient ascent alone is linear; whatever is bounded below and has an "
        "exponential tail is logarithmic, 1/a its effective β; targets make the margin end. The number behind a name "
        "is its β or its like, as its paper has it. A law is drawn from τ = 30 on.",
        ("theory/atlas",),
        atlas.draw,
    ),
    Plate(
        "chosen_beta",
        "The β of a wanted drop",
        "(a) Runs whose β was chosen for a wanted drop, and where they end: descent with a budget of 200 nats by the "
        "intrinsic-time law (one example of two models, and a set), Adam by its own law, and Adam by the plain law, "
        "which is the wrong one for it (open). (b) NPO under Adam in one coordinate: (3/2) log of the steps within "
        "Adam's memory (lines), not the plain law (dotted), and linear beyond 1/(1 − β₂) steps.",
        ("theory/chosen-beta", "theory/adam-law"),
        chosen_beta.draw,
    ),
    Plate(
        "atlas_grid",
        "Does a loss keep its class under an optimiser?",
        "One example, simulated step by step for a million steps: how its margin m grows with the number of steps t, "
        "measured over the last decade. Read a row: an optimiser; a column: a loss. Descent, momentum, SAM, AdaGrad "
        "and AMSGrad leave the logarithm of NPO and its kin; Adam without ε and NGDiff make it linear; Adam's ε and "
        "a retain gradient σ bring it back; weight decay holds everything; signs go on until doubles are 0 (748 for a "
        "tail e⁻ᵐ). A question mark: not settled yet. GRU and NGDiff have a retain example of overlap ½.",
        ("theory/atlas-grid",),
        atlas_grid.draw,
    ),
    Plate(
        "adam_regimes",
        "NPO under Adam: where the slowdown is, and where it is not",
        "How the margin of NPO (β = 1) grows under Adam, by learning rate (upwards) and number of steps (to the "
        "right), measured. Below the dashed line NPO is still gradient ascent. Above it and within Adam's memory "
        "(dotted) large learning rates are logarithmic with 3/2 the usual coefficient; beyond it the margin is "
        "linear again. A floor under Adam's denominator, ε or another gradient σ, brings the logarithm back right of "
        "the black line.",
        ("theory/adam-regimes",),
        adam_regimes.draw,
    ),
    Plate(
        "rounding_phase",
        "Few bits: does rounding bring back what was unlearned?",
        "Sizes of a move of the weights are in cells of the grid. (a) What rounding keeps of a move: all of it on "
        "average, however small (filled), unless the weights were on the grid before (open), where nothing below a "
        "tenth of a cell is left. (b) The share of the drop that survives rounding, in the logistic model (lines, "
        "with standard errors over shifts of the grid) and in language models (marks; stars are SmolLM2-135M). "
        "(c) Its spread, measured (dots) and predicted (lines, marks): it grows as fewer weights cross a boundary. "
        "(d) Forget answers of unlearned language models before and after rounding: on the line nothing has changed "
        "(filled); where the finetuned model was on the four-bit grid, they are back (open).",
        ("theory/rounding",),
        rounding_phase.draw,
        optional=("logistic/rounding", "llm/rounding/*"),
    ),
    Plate(
        "rounding_bits",
        "How few bits bring back what was unlearned",
        "Models that unlearned, so much of their move (in cells of the grid, to the right), rounded to so many bits; "
        "the colour is how much of the drop is back, blue none, red all. (a) Weights that lie anywhere in their "
        "cells, by the mean over shifts of the grid: none comes back, but what noise gives and takes where single "
        "weights decide. (b) Weights that were on the same grid before they moved: all is back below half a cell "
        "(grey). (c) By theory, the moves that are undone at every weight of a model that came from few bits, in "
        "largest weights of a block: half the inverse of lcm(2^{b−1} − 1, 2^{b₀−1} − 1).",
        ("transformer/rounding",),
        rounding_bits.draw,
        optional=("logistic/rounding", "llm/rounding/*"),
    ),
    Plate(
        "atlas_against_practice",
        "The atlas against practice",
        "Every forget loss is a mark, alone and with a retain term. Its place in the order of speed by the atlas's "
        "scalar model (1 the slowest) against its place in what was measured; on the line both agree, ρ is their rank "
        "correlation. Above: how far it dropped in equal steps. Middle: how far it then was from the reference on what "
        "was to be kept. Below: the same where each has dropped half as far as the retrained model, where the atlas "
        "says little or nothing. Losses that are named stand furthest from the line.",
        ("logistic/practice-*", "transformer/practice-*"),
        atlas_against_practice.draw,
        optional=("llm/family/*",),
    ),
    Plate(
        "proposition_1",
        "NPO tends to gradient ascent",
        "The gap between NPO and GA in loss (left) and gradient weight (right), measured to β = 1e-12 without "
        "cancellation, under the bounds of Proposition 1 with their first-order rate.",
        ("theory/proposition-1",),
        proposition_1.draw,
    ),
    Plate(
        "theorem_2",
        "Linear against logarithmic divergence",
        "Gradient descent on a nearly orthogonal forget set, inside the two-sided bounds of Theorem 2 with explicit "
        "constants: GA's margin is linear in the number of steps (note the log-log axes), NPO's in its logarithm.",
        ("theory/theorem-2",),
        theorem_2.draw,
    ),
    Plate(
        "steps_to_margin",
        "What “exponentially slower” means",
        "Steps that bring the margin of one example to m: linear in m for GA, growing as exp(βm) for NPO.",
        ("theory/exponential-slowdown",),
        steps_to_margin.draw,
    ),
    Plate(
        "logistic_beta_sweep",
        "Figure 3 of the paper: β → 0 is gradient ascent",
        "The logistic problem at step size 5e-4, α = 1. Left: all β take nearly GA's path through the plane of "
        "distances. Middle and right: they take it more slowly, the more so the larger β.",
        ("logistic/figure3-*",),
        logistic_beta_sweep.draw,
    ),
    Plate(
        "logistic_methods",
        "Figure 4 of the paper: six methods",
        "The logistic problem with the step sizes and β of the paper's Table 1; mean and, of several seeds, "
        "range. (a) Forget and retain inputs apart, α = 1. (b) One over the other, α = 0, where both "
        "distances are alike.",
        ("logistic/methods-1-*",),
        logistic_methods.draw,
        optional=("logistic/methods-0-*",),
    ),
    Plate(
        "logistic_forget_kl",
        "Figure 9 (a, b) of the paper: the forget KL",
        "How far each method goes from the reference on the forget set. The dot is where its forget distance is least.",
        ("logistic/methods-1-*",),
        logistic_forget_kl.draw,
        optional=("logistic/methods-0-*",),
    ),
    Plate(
        "logistic_fronts",
        "Pareto fronts of all twelve methods",
        "The least retain distance that is had at a forget distance, mean over seeds with 95 % bootstrap bands; "
        "NPO+RT is in every panel. Right: the share of the box below π_ref's forget distance and 1 nat of retain "
        "distance that a method does not dominate, each seed a small mark.",
        ("logistic/methods-1-*",),
        logistic_fronts.draw,
        optional=("logistic/methods-0-*",),
    ),
    Plate(
        "logistic_long_run",
        "Divergence over decades",
        "The distance from the reference grows linearly under GA, logarithmically under NPO, here from one "
        "reference and at one step size; so does the forget KL.",
        ("logistic/long-*",),
        logistic_long_run.draw,
    ),
    Plate(
        "logistic_law",
        "Correlated forget points: where the law ends, and what holds instead",
        "(a) One example under plain descent is O(η) from the curve. (b) 200 points: clock and curve alone go "
        "wrong as β grows, the exact remainder puts them right. (c) That error against β, overlap and label "
        "noise. (d) The examples that NPO makes likelier: up to β = 1 they are those of the rarer label. (e) Far "
        "out the rates β du/d log t are margins, as an exponential loss on the turned labels makes them, and not "
        "1 as for nearly orthogonal points; examples that are given up are left out.",
        ("logistic/order-*", "logistic/departure-*", "logistic/margin-*"),
        logistic_law.draw,
    ),
    Plate(
        "transformer_law",
        "A small transformer: one sequence on the curve, sets off it",
        "(a) Sequences forgotten alone, all seeds and β, on the curve of the intrinsic-time law and on GA's line; "
        "nothing is fitted. Sequences of a set are off the curve at their collective clocks: (b) as far as the exact "
        "remainder says, (c, d) the further the more NPO's weights spread and the tangent kernel couples them.",
        ("transformer/single-*", "transformer/set-*"),
        transformer_law.draw,
    ),
    Plate(
        "transformer_time",
        "A small transformer in plain time",
        "(a) Plain descent: NPO's drop is a line in log t, GA's runs away. (b) β × slope along the flow, and its "
        "factors: it is the growth of the clock. (c) What should stay. (d) The time to collapse is exponential in β; "
        "the line is the law at the drop at which GA collapses. (e) β → 0. (f) How aligned the gradients of forget "
        "sequences are with each other and with those of kept ones.",
        ("transformer/descent-*", "transformer/set-*", "transformer/limit"),
        transformer_time.draw,
    ),
    Plate(
        "transformer_optimisers",
        "Does the slowdown survive Adam?",
        "Mean drop, and below it NPO's mean weight; dashed with a retain term. Slow Adam: NPO is GA. Fast Adam: "
        "logarithmic at first, linear after 1/(1 − β₂) steps, with a retain term too once the kept rows are known by "
        "heart. AMSGrad and a large ε leave the logarithm in place.",
        ("transformer/optimizer-*",),
        transformer_optimisers.draw,
    ),
    Plate(
        "transformer_methods",
        "Twelve methods on a small language",
        "Left: the plane of distances, ends marked. Middle and right: what kinds of answers are left at the end.",
        ("transformer/methods-GD-*", "transformer/methods-AdamW-*"),
        transformer_methods.draw,
    ),
    Plate(
        "transformer_overlap",
        "What sharing people costs",
        "Right answers to kept questions against the mean drop of the forget answers, GA and NPO without retain data, "
        "for three shares of people that both sides ask about.",
        ("transformer/overlap-*",),
        transformer_overlap.draw,
    ),
    Plate(
        "transformer_answers",
        "What the answers look like",
        "Greedy answers along plain descent (the number is the step), after the paper's Figure 7.",
        ("transformer/methods-GD-*",),
        transformer_answers.draw,
    ),
    Plate(
        "swept_beta",
        "Which β ends at the wanted drop",
        "Logistic model (circles, dashed) and small transformer (diamonds), means over seeds; u* is how far below the "
        "reference the retrained model says the forget answers. (a) The drop that the law says, told by one probe at "
        "βu* = 3 (black ring), against the measured one, over two decades of β. (b) Distance to the retrained model, "
        "over the reference's; stars: the rule's β. (c) The βu* that ends at u* after all the steps (filled) and half "
        "of them (open), and the rule's (stars): no constant, but the rule follows it.",
        ("logistic/beta-*", "transformer/beta-*"),
        swept_beta.draw,
    ),
    Plate(
        "field_squeezing",
        "Where the probability goes",
        "Gradient ascent on a small transformer: (a) on answers that it has memorised, (b) on random answers to the "
        "same questions, which are unlikely. Shares against the nats a token that the answer has lost, mean and range"
        " over seeds. An unlikely answer feeds the likeliest token, and most others fall; a memorised one feeds "
        "nearly all others until it is gone. In the end one token has all, and it is not the one that was likeliest.",
        ("transformer/squeezing",),
        field_squeezing.draw,
    ),
    Plate(
        "recovery_part",
        "Relearning a part restores the rest",
        "A part of the forgotten rows is relearnt, the rest looked at. (a) Nats an answer that come back of the rest, "
        "against what the tangent kernel before the first step tells from the part's own gain; nothing is fitted. (b) "
        "Nats of the rest for one of the part, against the coupling of their gradients. Unlearned models are filled, "
        "the retrained one open; filled too is GA+RT on the retrained one, which never knew the rows: in networks "
        "unlearning itself couples the rows that it forgets; in the logistic model "
        "(margins in (b)) the features do, before and after.",
        ("logistic/relearnt-part",),
        recovery_part.draw,
        optional=("transformer/relearnt-part", "llm/relearn-part/tofu-mini/*"),
    ),
    Plate(
        "field_lengths",
        "NPO's weights: epochs, memory, lengths",
        "A small transformer. (a) At β = 0.1 weights stay near 1 for an epoch. (b) Answers that are known by heart "
        "keep the larger weights: their log-probability has a small gradient and falls later. (c) Each token of an "
        "answer of n tokens is slowed down by nβ: 5 tokens at β = 0.4 go with 20 at β = 0.1.",
        ("transformer/short-answers", "transformer/weights"),
        field_lengths.draw,
    ),
    Plate(
        "field_mixing",
        "At equal retention, and in another order",
        "A small transformer. (a) Twelve methods, from where they end to where mixing with the reference gives all "
        "the same retention: below, more is forgotten. (b) What kept answers lose, where the forget rows were learnt "
        "in the first or in the last stage of training; mean and range over seeds.",
        ("transformer/mixing", "transformer/stages"),
        field_mixing.draw,
    ),
    Plate(
        "field_weights",
        "Weights of tokens, and kept rows that recover",
        "A small transformer. (a) Forget answers made unlikely (to the right) by weights that follow saturation, "
        "importance or both, and what is left of kept answers. (b) Confident tokens under a weight with a factor (1 −"
        " p)^β₂: the wait is as many times longer as the scalar integral says. (c) Plain descent with a retain term: "
        "NPO's force dies down and kept rows recover, GA's does not. Means over seeds, in (b) and (c) with their "
        "range.",
        ("transformer/saturation", "transformer/recovery"),
        field_weights.draw,
    ),
    Plate(
        "field_traces",
        "What an unlearned model still shows",
        "A small transformer that has forgotten ten answers. (a) The chance that one of k drawn answers is the true "
        "one, where first no greedy answer is; mean and range over seeds. (b) How often the best possible classifier "
        "tells from one answer whether it is the unlearned model's or the finetuned one's; one point a seed. (c) Of "
        "hidden states, along their dominant and their minor directions: filled, the change by unlearning over what "
        "was there; open, the share of it that relearning leaves. Above the line minor directions have more.",
        ("transformer/traces", "transformer/components"),
        field_traces.draw,
    ),
    Plate(
        "field_bounded",
        "A bound on every weight, and stages in two orders",
        "GA+RT in the logistic model, where no weight may move farther than a bound, and without one: (a) how far the"
        " weights are from the reference, (b, c) the distances from the retrained model; mean and range over seeds. "
        "(d) Without bounds or a retain term: what GA costs kept answers, where the forget rows were learnt before or"
        " after them.",
        ("logistic/bounded-*",),
        field_bounded.draw,
        optional=("logistic/stages",),
    ),
    *OF_RECOVERY,
    *OF_MODELS,
)
