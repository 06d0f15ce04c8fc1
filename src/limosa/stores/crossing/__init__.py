"""Two stores as one: points are read from a collection and arrive in another place, by ports alone."""
