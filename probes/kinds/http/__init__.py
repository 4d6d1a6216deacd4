"""HTTP and HTTPS targets."""
