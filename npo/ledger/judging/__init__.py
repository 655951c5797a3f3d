"""What all claims share: a claim as a value, how it is judged, the statistics of verdicts, kept results."""
