"""One file per figure, each with `compute(quick) -> data` and `draw(data) -> Figure`.

`draw` alone decides what a figure looks like; `npo reproduce` hands it saved data. Style and saving: `figures.canvas`.
"""
