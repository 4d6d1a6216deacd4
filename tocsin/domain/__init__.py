"""What Tocsin knows, without a clock, a framework or I/O."""
