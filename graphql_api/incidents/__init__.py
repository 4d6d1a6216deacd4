"""Incidents: what went wrong, and what people did about it."""
