"""What goes over sockets: names, connections, TLS, and the protocols that several kinds speak."""
