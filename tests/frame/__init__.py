"""A loss, a metric, an optimiser and a task, as CONTRIBUTING shows them: put into a copy of the tree and run."""
