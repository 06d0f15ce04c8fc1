"""A real libSQL server for the tests: fetched once, started on loopback, with tokens of its own."""
