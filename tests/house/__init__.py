"""The rules of the house: layers, sizes, names, no work at import."""
