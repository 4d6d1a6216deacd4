"""Live updates: what happens in an organization, to everybody who subscribed, over WebSockets and SSE."""
