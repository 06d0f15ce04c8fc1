"""LanceDB: a folder of tables, opened by the engine in this process."""
