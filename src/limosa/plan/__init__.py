"""Checks, estimates and the lock: what will be done, before anything is touched."""
