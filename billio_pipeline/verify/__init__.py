"""Verdicts: Arrow or Parquet in, counts and named differences out. Knows no store."""
