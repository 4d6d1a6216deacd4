"""Refusals as types: what services raise becomes the part of a mutation's union that says why."""

from typing import TypeAlias

import strawberry

from tocsin.domain import errors


@strawberry.interface(description="Why a mutation changed nothing.")
class Problem:
    """What all refusals have in common."""

    message: str = strawberry.field(description="One sentence for a person.")


@strawberry.type(description="What is wrong with one field of an input.")
class InputProblem:
    """Part of InvalidInput."""

    path: str = strawberry.field(description="Where in the input, such as target.http.headers.0.name.")
    message: str = strawberry.field(description="What is wrong, and what would be right.")

    @classmethod
    def of(cls, problem: errors.FieldProblem) -> "InputProblem":
        return cls(path=".".join(_camel_case(str(part)) for part in problem.path), message=problem.message)


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


@strawberry.type(description="Fields of the input cannot be used.")
class InvalidInput(Problem):
    """From InvalidInputError."""

    problems: list[InputProblem] = strawberry.field(description="Every field that is wrong.")


@strawberry.type(description="Nothing with this id exists in the organization.")
class NotFound(Problem):
    """From NotFoundError."""


@strawberry.type(description="The request contradicts what is stored.")
class Conflict(Problem):
    """From ConflictError."""

    path: str | None = strawberry.field(description="The field to change, where there is one.")


@strawberry.type(description="The token may not do this.")
class Forbidden(Problem):
    """From ForbiddenError."""


@strawberry.type(description="Too many changes in a short time.")
class RateLimited(Problem):
    """From RateLimitedError."""

    retry_after_seconds: float = strawberry.field(description="How long to wait.")


@strawberry.type(description="No worker did in time what was asked for.")
class Unanswered(Problem):
    """From UnansweredError."""


AnyProblem: TypeAlias = InvalidInput | NotFound | Conflict | Forbidden | RateLimited | Unanswered


def problem_of(error: errors.TocsinError) -> AnyProblem:
    """The type of a refusal."""
    match error:
        case errors.InvalidInputError(problems=problems):
            return InvalidInput(message=str(error), problems=[InputProblem.of(problem) for problem in problems])
        case errors.NotFoundError():
            return NotFound(message=str(error))
        case errors.ConflictError(field=field):
            return Conflict(message=str(error), path=None if field is None else _camel_case(field))
        case errors.ForbiddenError():
            return Forbidden(message=str(error))
        case errors.RateLimitedError(retry_after=retry_after):
            return RateLimited(message=str(error), retry_after_seconds=retry_after.total_seconds())
        case errors.UnansweredError():
            return Unanswered(message=str(error))
    raise error
