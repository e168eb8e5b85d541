"""The Kubernetes API and the registries: what is read from them and written to them."""
