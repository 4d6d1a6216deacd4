"""What is asked of the cluster's API server, and how its answers are judged."""
