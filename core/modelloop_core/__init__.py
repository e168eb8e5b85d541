"""What two components of ModelLoop must agree on: types, wire formats, file layouts, statistics."""
