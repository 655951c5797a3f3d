"""A loss, a metric, an optimiser and a task, as CONTRIBUTING shows them: not collected, but put into a copy of the tree."""
