"""What can be unlearned: each task a value in a file of its own, with its rows, what is asked, its log."""
