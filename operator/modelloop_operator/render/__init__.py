"""Pure builders: spec and committed status in, Kubernetes objects out."""
