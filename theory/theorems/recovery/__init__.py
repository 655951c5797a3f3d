"""What was unlearned comes back: relearnt whole or in part."""
