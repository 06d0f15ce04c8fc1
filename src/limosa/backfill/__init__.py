"""Chunks, worker, follower: rows on their way."""
