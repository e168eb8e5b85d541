"""`make bench-online`: the predictor as shipped against reference servers, in one run, as ratios."""
