"""Keeps what predictors count, judges it window by window, and tells what has changed."""
