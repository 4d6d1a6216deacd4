"""Secrets that targets refer to by name."""
