"""The prober for name servers."""
