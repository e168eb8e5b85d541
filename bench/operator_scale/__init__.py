"""One operator and 1,000 MLModels on fake nodes: at rest, when one changes, and when 100 roll out at once."""
