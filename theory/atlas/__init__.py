"""How fast every loss runs away: its speed in the scalar model, class and law of its margin, predicted and measured.

Start with `theory.atlas.scalar` (any kernel as a flow dm/dτ = V(m)), `theory.atlas.growth` (the classes),
`theory.atlas.family` (what is predicted for each published loss) and `theory.atlas.classify` (what is measured).
"""
