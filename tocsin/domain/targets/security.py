"""How a conversation that begins in clear is secured."""

from enum import StrEnum


class Security(StrEnum):
    """Whether a conversation is secured, and when."""

    NONE = "NONE"
    STARTTLS = "STARTTLS"
    TLS = "TLS"


class StartTls(StrEnum):
    """A protocol that begins in clear and is then secured on the same connection."""

    SMTP = "SMTP"
    IMAP = "IMAP"
    POP3 = "POP3"
    POSTGRES = "POSTGRES"
