"""Milvus: a file that the engine in this process opens, and a server."""
