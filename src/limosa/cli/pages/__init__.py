"""Pages: facts laid out for a person, one file for each kind."""
