"""The tests: real engines only, providers over loopback HTTP."""
