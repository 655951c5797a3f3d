"""What a model makes of rows that are there: log-probabilities, hidden states, several rows at once."""
