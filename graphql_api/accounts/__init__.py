"""Who asks: the token and its organization."""
