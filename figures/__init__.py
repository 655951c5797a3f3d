"""One file per figure: `draw(data) -> Figure`, and `compute(quick) -> data` where the data takes seconds.

`draw` alone decides what a figure looks like; `npo reproduce` hands it saved data. Style and saving: `figures.canvas`.
"""
