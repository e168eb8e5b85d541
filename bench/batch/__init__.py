"""Batch scoring: whole processes of ours and of others over the same Parquet, and what reading, scoring and writing cost."""
