"""Sites: groups of checks."""
