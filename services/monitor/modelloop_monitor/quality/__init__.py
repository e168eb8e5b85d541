"""How good predictions were, window by window and version by version."""
