"""The demo: a real model on a real cluster, swapped, attacked and measured under live traffic."""
