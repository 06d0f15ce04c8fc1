"""What needs no input or output, in seconds."""
