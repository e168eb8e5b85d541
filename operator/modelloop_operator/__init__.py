"""The operator: observe, decide, commit the decision, render, apply."""
