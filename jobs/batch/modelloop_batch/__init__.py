"""Batch scoring: Parquet in, Parquet out, with one version of a model; `modelloop score` runs it."""
