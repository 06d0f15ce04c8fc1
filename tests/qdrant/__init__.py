"""Qdrant's real engine behind its REST protocol on loopback, and faults on the way to it."""
