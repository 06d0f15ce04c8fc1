"""SIGKILL at every commit point and at random instants, then a restart."""
