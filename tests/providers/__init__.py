"""Providers for tests: real servers on loopback that speak the protocols, with faults on demand."""
