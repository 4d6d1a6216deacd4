"""Checks of memcached."""
