"""`make test`: all checks and all four layers of tests, and nothing left of them when they end."""
