"""A database that must let an account in, and answer a query as expected."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import Host, IpFamily, Port
from tocsin.domain.targets.model import MayBeSecret, Target
from tocsin.domain.targets.rules import Requirement, matches_not
from tocsin.domain.targets.tls_options import TlsOptions

MAX_ROWS: Final = 1000
_NO_NUL: Final = matches_not(r"\x00", "must not contain the character NUL; leave it out")
_NEEDS_QUERY: Final = "needs a query whose answer it is about; give one"


class SqlDialect(StrEnum):
    """Which protocol a database speaks."""

    POSTGRESQL = "POSTGRESQL"
    MYSQL = "MYSQL"


def _validate_no_nul(text: str) -> str:
    # Both protocols end their texts with it.
    if "\0" in text:
        raise ValueError(_NO_NUL.message)
    return text


_Name = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_validate_no_nul), _NO_NUL]


class SqlTarget(Target):
    """A PostgreSQL, MySQL or MariaDB server that must let an account in, and answer a query as expected."""

    kind: ClassVar[str] = "sql"
    sources: ClassVar[frozenset[Source]] = frozenset({Source.STATUS, Source.JSON, Source.SIZE, Source.CERTIFICATE})
    requirements: ClassVar[tuple[Requirement, ...]] = (
        Requirement("expected_rows", "has(self.query)", _NEEDS_QUERY),
        Requirement("expected_value", "has(self.query)", _NEEDS_QUERY),
    )

    dialect: SqlDialect = Field(description="Whose protocol is spoken; MariaDB speaks MySQL's.")
    host: Host = Field(description="Host name, or IP address without brackets.")
    port: Port | None = Field(default=None, description="Port; where it is not given, 5432 or 3306 by the dialect.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")
    tls: TlsOptions | None = Field(default=None, description="How the connection is secured; without it, it is not.")
    user: _Name = Field(description="Account to log in as; one that may only read what the query needs.")
    password: Annotated[
        Annotated[str, Field(max_length=1024), AfterValidator(_validate_no_nul), _NO_NUL] | None, MayBeSecret()
    ] = Field(default=None, description="Its password.")
    database: _Name | None = Field(default=None, description="Database to use; the account's own where none is given.")
    query: Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_validate_no_nul), _NO_NUL] | None = (
        Field(default=None, description="One statement, which runs in a transaction that can only read.")
    )
    expected_rows: Annotated[int, Field(strict=True, ge=0, le=MAX_ROWS)] | None = Field(
        default=None, description="How many rows the answer must have."
    )
    expected_value: Annotated[str, Field(max_length=1024), AfterValidator(_validate_no_nul), _NO_NUL] | None = Field(
        default=None, description="What the first column of the first row must be, as text."
    )

    @field_validator("expected_rows", "expected_value")
    @classmethod
    def _needs_a_query(cls, expected: int | str | None, info: ValidationInfo) -> int | str | None:
        if expected is not None and info.data.get("query") is None:
            raise ValueError(_NEEDS_QUERY)
        return expected
