"""What the fields of target models are called in a HealthCheck."""

from pydantic.alias_generators import to_camel


def property_name(field: str) -> str:
    return to_camel(field)


def secret_sibling(field: str) -> str:
    """What names a Secret's key in place of the field."""
    return f"{property_name(field)}From"
