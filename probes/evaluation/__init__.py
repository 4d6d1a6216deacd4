"""Judging what a probe saw: at once where it costs little, else in a process of its own with limits."""
