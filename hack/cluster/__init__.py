"""A real single-node Kubernetes on a bare Linux box, where Docker and a registry are absent."""
