"""`tocsin watch`: the first client. It knows nothing of the platform but its public API."""
