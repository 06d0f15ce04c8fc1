"""Every example runs and every command is documented."""
