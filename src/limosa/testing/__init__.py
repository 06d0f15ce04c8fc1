"""The contract suites that every adapter, also a third party's, must pass."""
