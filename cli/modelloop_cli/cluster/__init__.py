"""Verbs that talk to a cluster: `kubectl mlmodel status|refresh|retry|doctor`."""
