"""How vectors are laid out in SQLite: the operations of each layout."""
