"""Errors of operations, each with a code that programs can act on; a crash says nothing but its request's id."""

import re
import traceback
from typing import Any, Final

import asyncpg
import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from graphql_api.problems import InputProblem
from tocsin.domain import errors

UNAVAILABLE: Final = "UNAVAILABLE"
INTERNAL_ERROR: Final = "INTERNAL_ERROR"
AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # asyncpg was told that the connection ends, but has not seen its end yet.
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    # A database that accepts no connections, and a lock that was not given.
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.DeadlockDetectedError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.QueryCanceledError,
)
_CODES: Final[dict[type[errors.TocsinError], str]] = {
    errors.InvalidInputError: "INVALID_INPUT",
    errors.NotFoundError: "NOT_FOUND",
    errors.ConflictError: "CONFLICT",
    errors.ForbiddenError: "FORBIDDEN",
    errors.RateLimitedError: "RATE_LIMITED",
    errors.UnansweredError: "UNANSWERED",
}
_BAD_REQUESTS: Final = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)
# Names that were not asked for are none of a stranger's business.
_SUGGESTION: Final = re.compile(r" Did you mean [^?]*\?")

# graphql-core repeats values that it refuses, however long they are.
_LONGEST_MESSAGE: Final = 500

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def limit_exceeded(limit: str, maximum: int, message: str) -> GraphQLError:
    """The error for an operation that is larger than one may be."""
    return GraphQLError(message, extensions={"code": "LIMIT_EXCEEDED", "limit": limit, "maximum": maximum})


def give_code(error: GraphQLError, request_id: str) -> None:
    """Complete an error before it is sent; what crashed is logged."""
    error.message = _SUGGESTION.sub("", error.message)[:_LONGEST_MESSAGE]
    if error.extensions and "code" in error.extensions:
        return
    cause = _cause(error)
    match cause:
        case errors.TocsinError():
            error.extensions = _extensions(cause)
        case None:
            error.extensions = {"code": _own_code(error)}
        case _ if isinstance(cause, _BAD_REQUESTS):
            error.extensions = {"code": "BAD_REQUEST"}
        case _:
            _hide(error, cause, request_id)


def _cause(error: GraphQLError) -> Exception | None:
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _extensions(refusal: errors.TocsinError) -> dict[str, Any]:
    extensions: dict[str, Any] = {"code": _CODES[type(refusal)]}
    if isinstance(refusal, errors.InvalidInputError):
        problems = [InputProblem.of(problem) for problem in refusal.problems]
        extensions["problems"] = [{"path": problem.path, "message": problem.message} for problem in problems]
    return extensions


def _own_code(error: GraphQLError) -> str:
    return "GRAPHQL_PARSE_FAILED" if isinstance(error, GraphQLSyntaxError) else "GRAPHQL_VALIDATION_FAILED"


def is_away(cause: Exception) -> bool:
    """Whether the database could not be asked, rather than the program being wrong."""
    return isinstance(cause, AWAY)


def _hide(error: GraphQLError, cause: Exception, request_id: str) -> None:
    """Keep what an exception says from the client: it may tell how the program works, or what others store."""
    code, error.message = what_is_told(cause)
    error.extensions = {"code": code, "requestId": request_id}
    log_crash(cause, request_id)


def what_is_told(cause: Exception) -> tuple[str, str]:
    """The code and the message for something that clients cannot help."""
    if isinstance(cause, asyncpg.DiskFullError):
        return UNAVAILABLE, "The disk of the database is full; whoever runs it must make room."
    if is_away(cause):
        return UNAVAILABLE, "The database does not answer; try again soon."
    return INTERNAL_ERROR, "Something went wrong on our side."


def log_crash(cause: Exception, request_id: str) -> None:
    """Log where an exception was raised, and not its message: PostgreSQL puts whole rows into it."""
    frames = traceback.extract_tb(cause.__traceback__)
    _logger.error(
        "request_failed",
        request_id=request_id,
        error=type(cause).__name__,
        sqlstate=getattr(cause, "sqlstate", None),
        frames=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]],
    )
