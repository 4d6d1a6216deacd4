"""Checks: what is probed, and what came of it."""
