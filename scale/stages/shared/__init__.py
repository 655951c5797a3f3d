"""What all stages of a run share: its rows, settings and processes, its code of one's own, its cost."""
