"""Benches: ratios and figures taken in one run, never a timed test."""
