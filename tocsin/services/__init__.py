"""What can be done, one transaction a function."""
