"""One file per step of the way through, thin, over the ports."""
