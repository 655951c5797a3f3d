"""The pages: figures, tables and facts of a run in one self-contained file."""
