"""The command line: `modelloop`, installed also as `kubectl-mlmodel`."""
