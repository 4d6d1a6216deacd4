"""Locations: groups of checks."""
