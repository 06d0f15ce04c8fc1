"""Looking at a database that no file describes yet: vector columns, and what would have to be said of them."""
