"""Chroma: a server, and the engine in this process on a folder."""
