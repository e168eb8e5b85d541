"""Whether a candidate does as well as the live version: tests that may be looked at as often as one likes."""
