"""What a run does, stage by stage, and the units of work that a recipe stands for."""
