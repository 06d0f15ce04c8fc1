"""Files: a folder of Parquet, Arrow or JSON-lines parts as a collection, and what limosa writes for others to read."""
