"""SQLite and libSQL as stores: files, and servers that speak libSQL's HTTP protocol."""
