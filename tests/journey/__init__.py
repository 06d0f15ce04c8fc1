"""Whole migrations, forward and back."""
