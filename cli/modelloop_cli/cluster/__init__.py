"""Verbs that talk to a cluster: `kubectl mlmodel status|drift|refresh|retry|doctor`."""
