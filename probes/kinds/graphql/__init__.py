"""GraphQL APIs."""
