"""A table of Postgres in which the points of another store arrive."""
