"""Training: schedule, loop, optimisers, which rows meet which, and where π_ref is looked up."""
