"""The public side of heartbeats: it takes reports, and knows nothing else."""
