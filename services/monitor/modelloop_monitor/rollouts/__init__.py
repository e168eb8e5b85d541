"""What a rollout is told: a candidate beside the live version, over the same intervals."""
