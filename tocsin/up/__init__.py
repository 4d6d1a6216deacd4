"""`tocsin up`: the whole platform in the foreground, on embedded servers or on others."""
