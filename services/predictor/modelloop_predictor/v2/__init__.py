"""The Open Inference Protocol, version 2: over HTTP (`rest`, `routes`) and over gRPC (`messages`, `server`)."""
