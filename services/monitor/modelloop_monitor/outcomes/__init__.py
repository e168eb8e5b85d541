"""What became of predictions: labels and business events, joined to the prediction log by request id."""
