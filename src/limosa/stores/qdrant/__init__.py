"""Qdrant: a server, the client's local mode, and the engine in this process."""
