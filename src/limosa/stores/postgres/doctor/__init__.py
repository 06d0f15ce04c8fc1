"""What may be wrong with vectors in Postgres: one module for each family of ills."""
