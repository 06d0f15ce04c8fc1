"""The report as one HTML file: its parts, each a few functions from statistics to markup."""
