"""The probers: one file for each kind of target."""
