"""Why a probe did not succeed."""

from tocsin.domain.observations import UNDECIDED_REASONS, Outcome, Reason


class ProbeFailure(Exception):  # noqa: N818 - a failing target is a finding, not an error of ours
    """The target is not as it should be, or must not be probed.

    `message` is for a person on call: it carries no secret, no query string, no header value and no body. `outcome`
    follows from the reason where it is not given.
    """

    def __init__(self, reason: Reason, message: str, outcome: Outcome | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.outcome = outcome or (Outcome.UNKNOWN if reason in UNDECIDED_REASONS else Outcome.FAILURE)


class TargetBlockedError(ProbeFailure):
    """The egress policy of this installation refuses the target. `message` names the rule and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.TARGET_BLOCKED, message)
