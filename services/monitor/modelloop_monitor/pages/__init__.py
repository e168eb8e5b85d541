"""What each page answers; what is behind them knows no HTTP."""
