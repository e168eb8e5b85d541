"""Batch scoring: Parquet in, Parquet out, with one version of a model; the same in a Job and in `modelloop score`."""
