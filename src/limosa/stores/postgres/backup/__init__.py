"""Backups of a table or a database: made, checked, and put back."""
