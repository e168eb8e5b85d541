"""What becomes of live predictions besides their answers: counted for the monitor, logged to the registry."""
