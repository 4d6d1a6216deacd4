"""What every part of the platform shares: the domain, the database and the services."""
