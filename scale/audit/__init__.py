"""Auditing a model that is said to have forgotten: the same battery of scores for it and for the models beside it.

No score of an audit has a right value of its own: each stands beside that of a model which was trained without the rows
to forget (the retrained one), question by question, with a bootstrap interval over questions.

    items.py       `Items`: one score of every question, of membership also of rows held out; mean or AUC, intervals
    subject.py     `AuditSubject`: a model ready to be read and asked; `ModelsBeside`: retrained, finetuned, reference
    asked.py       `AskedSets`: rows to forget, to retain, held out; `Entity`: the words that give an answer away
    settings.py    `AuditSettings`: what a recipe says under `audit:`
    reading.py     every set read once; memorisation and membership take their numbers from the same reading
    samples.py     many answers drawn to every question; leaks.py: does one give it away?
    prompts.py     the same questions in other words, formats, behind a prefix
    hidden.py      what the hidden states hold: lens.py by the finetuned model's head, depth.py by patching them into it
    entities.py    the words that give answers away, from a file; words.py: which tokens they are
    known.py       entities and other wordings, of files or of the data that the questions are from
    families.py    `FAMILIES`: name, what it asks, the function that measures it
    battery.py     `measured`: all families of one model; `audit`: that of a model and of those beside it

A family is a function `measure(subject, asked, settings, beside) -> {score: Items}`. It leaves out what can't be had,
for want of rows held out or of a model beside, and NaN stands for a question that has no such score. Names of scores
are unique over all families; scores of rows to retain begin with `retain_`, an AUC's with `auc_`.

    >>> import numpy as np
    >>> from scale.audit.items import Items, statistic
    >>> statistic(Items(np.array([0.25, 0.75]))), statistic(Items(np.array([1.0, 2.0]), others=np.array([3.0, 4.0])))
    (0.5, 1.0)

In Python, of any model: `scale.audit.battery.audit`.
"""
