"""Formats that two processes exchange."""
