"""An object in the cluster, or some Pods, that must be healthy."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from tocsin.domain.targets.model import SetByOperator, Target
from tocsin.domain.targets.rules import Requirement, Rule, matches

# Their syntax is RE2's as well as Python's, for the API server judges by them too.
_LABEL: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_WORD: Final = "[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY: Final = f"(?:{_SUBDOMAIN}/)?{_WORD}"
_VALUES: Final = rf"\( *(?:{_WORD})?(?: *, *(?:{_WORD})?)* *\)"
_TERM: Final = f"(?:(?:! *)?{_KEY}|{_KEY} *(?:=|==|!=) *(?:{_WORD})?|{_KEY} +(?:in|notin) *{_VALUES})"
_SELECTOR: Final = f" *{_TERM} *(?:, *{_TERM} *)*"

_NAME_RULE: Final = matches(
    f"^{_SUBDOMAIN}$", "must be an object's name: lower-case letters, digits, - and ., as in web or web-0.example"
)
_GROUP_RULE: Final = matches(
    f"^(?:{_SUBDOMAIN})?$", "must be an API group such as cert-manager.io, or empty for the core group"
)
_VERSION_RULE: Final = matches(f"^{_LABEL}$", "must be a version of the group, such as v1")
_PLURAL_RULE: Final = matches(
    f"^{_LABEL}$", "must be the plural by which the API server knows the kind, in lower case, such as certificates"
)
_NOT_SECRETS_RULE: Final = Rule("self != 'secrets'", "cannot be secrets, which no check reads; choose another kind")
_CONDITION_RULE: Final = matches(f"^{_KEY}$", "must be the type of a condition, such as Ready")
_SELECTOR_RULE: Final = matches(
    f"^{_SELECTOR}$", "must be a label selector as kubectl takes it, such as app=web,tier in (front,edge)"
)
_FOR_CRON_JOBS: Final = Requirement(
    "last_success_within_seconds", "self.kind == 'CronJob'", "is for a CronJob alone; leave it out"
)


def _follow(pattern: str, rule: Rule) -> AfterValidator:
    compiled = re.compile(pattern)

    def validate(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(rule.message)
        return text

    return AfterValidator(validate)


def _refuse_secrets(plural: str) -> str:
    if plural == "secrets":
        raise ValueError(_NOT_SECRETS_RULE.message)
    return plural


Name = Annotated[str, Field(min_length=1, max_length=253), _follow(_SUBDOMAIN, _NAME_RULE), _NAME_RULE]
Plural = Annotated[
    str,
    Field(min_length=1, max_length=63),
    _follow(_LABEL, _PLURAL_RULE),
    AfterValidator(_refuse_secrets),
    _PLURAL_RULE,
    _NOT_SECRETS_RULE,
]


class WorkloadKind(StrEnum):
    """A kind of workload whose health is known from its own status."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    JOB = "Job"
    CRON_JOB = "CronJob"


class ConditionStatus(StrEnum):
    """The status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class _Subject(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class KubernetesWorkload(_Subject):
    """A workload that must be available, or must have succeeded."""

    requirements: ClassVar[tuple[Requirement, ...]] = (_FOR_CRON_JOBS,)

    kind: WorkloadKind = Field(description="Kind of the workload.")
    name: Name = Field(description="Name of the workload.")
    last_success_within_seconds: Annotated[int, Field(strict=True, ge=60, le=31_622_400)] | None = Field(
        default=None,
        description="How long ago a CronJob may have succeeded last; without it, its last run must have succeeded.",
    )

    @field_validator("last_success_within_seconds")
    @classmethod
    def _success_is_dated_for_cron_jobs_alone(cls, seconds: int | None, info: ValidationInfo) -> int | None:
        if seconds is not None and info.data.get("kind", WorkloadKind.CRON_JOB) is not WorkloadKind.CRON_JOB:
            raise ValueError(_FOR_CRON_JOBS.message)
        return seconds


class KubernetesPods(_Subject):
    """Pods of which enough must be ready."""

    selector: Annotated[
        str, Field(min_length=1, max_length=1024), _follow(_SELECTOR, _SELECTOR_RULE), _SELECTOR_RULE
    ] = Field(description="Label selector as kubectl takes it, such as app=web,tier in (front,edge).")
    min_ready: Annotated[int, Field(strict=True, ge=1, le=1000)] = Field(
        default=1, description="How many of the Pods must be ready."
    )


class KubernetesResource(_Subject):
    """An object of any kind that the installation lets checks read, which must have a condition."""

    group: Annotated[str, Field(max_length=253), _follow(f"(?:{_SUBDOMAIN})?", _GROUP_RULE), _GROUP_RULE] = Field(
        default="", description="API group, such as cert-manager.io; empty for the core group."
    )
    version: Annotated[str, Field(min_length=1, max_length=63), _follow(_LABEL, _VERSION_RULE), _VERSION_RULE] = Field(
        description="Version of the group, such as v1."
    )
    resource: Plural = Field(description="Plural of the kind, in lower case, such as certificates.")
    name: Name = Field(description="Name of the object.")
    condition: Annotated[str, Field(min_length=1, max_length=316), _follow(_KEY, _CONDITION_RULE), _CONDITION_RULE] = (
        Field(default="Ready", description="Type of the condition in the object's status.")
    )
    status: ConditionStatus = Field(default=ConditionStatus.TRUE, description="Status that the condition must have.")


class KubernetesTarget(Target):
    """A workload, Pods, or another object in the namespace of the HealthCheck, which must be healthy."""

    kind: ClassVar[str] = "kubernetes"
    for_kubernetes_only: ClassVar[bool] = True
    one_of: ClassVar[tuple[str, ...]] = ("workload", "pods", "resource")

    namespace: Annotated[Name, SetByOperator()] = Field(
        description="Namespace of the HealthCheck, and so of the target."
    )
    workload: KubernetesWorkload | None = Field(
        default=None, description="A Deployment, StatefulSet, DaemonSet, Job or CronJob."
    )
    pods: KubernetesPods | None = Field(default=None, description="Pods by their labels.")
    resource: KubernetesResource | None = Field(
        default=None, description="An object of another kind, by a condition in its status."
    )

    @model_validator(mode="after")
    def _names_exactly_one_subject(self) -> Self:
        if sum(getattr(self, field) is not None for field in self.one_of) != 1:
            raise ValueError(f"must have exactly one of {', '.join(self.one_of)}")
        return self
