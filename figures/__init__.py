"""One file per figure, `draw(results) -> Figure`: what it looks like, and nothing else.

`results` is saved data by unit name (`records.store.Data`), as `npo reproduce` and `npo report` have it. Which figure
is drawn from which units says `npo.report.gallery`. Where the data takes seconds, `compute() -> results` makes it for a
notebook. Style and saving: `figures.canvas`. The pictures of README and docs lie here; `make figures` draws them anew.
"""
