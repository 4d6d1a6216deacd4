class EmbeddedServerError(Exception):
    """An embedded server cannot run; the message names what is wrong and what helps."""
