"""The reference servers; each runs as a process of its own and answers what its file says."""
