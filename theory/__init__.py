"""The mathematics of unlearning: loss kernels, gradient weights, theorems, exact flows.

Knows no model, no data set and no file, and imports nothing else of this project.
Start with `theory.losses` (the kernels), `theory.quantities` (what a kernel may ask for), `theory.methods` (the
methods by name) and `theory.theorems.theorem` (what a theorem is here).
"""
