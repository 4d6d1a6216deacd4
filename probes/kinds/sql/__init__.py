"""The prober for SQL databases: two protocols, each of which reads no more than it is allowed to."""
