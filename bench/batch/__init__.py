"""Batch scoring: processes of ours and of others over one table, and what reading, scoring and writing cost."""
