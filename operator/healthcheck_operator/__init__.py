"""Kubernetes: HealthCheck objects become checks, and what the checks find becomes their status."""
