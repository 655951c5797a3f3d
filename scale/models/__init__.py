"""Language models: loading, scoring, generating, and what is kept of a reference."""
