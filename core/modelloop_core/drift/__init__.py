"""What drift is: frozen references, counted profiles, statistics between the two, and verdicts."""
