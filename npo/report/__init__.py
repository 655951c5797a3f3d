"""The pages: findings, pictures, tables and facts of a run in one self-contained file."""
