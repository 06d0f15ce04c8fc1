"""Postgres with pgvector as a store."""
