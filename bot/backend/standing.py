"""How the model is doing, learned from the exchanges that take place anyway: nobody is asked for it.

A refusal of one question (too long, filtered, a parameter) is an answer too: it shows that key and provider work.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.errors import KeyRefused, ModelFailure, ModelRateLimited, ModelUnavailable, ModelUnknown, QuotaExhausted

LASTING = (KeyRefused, QuotaExhausted)
"""What nothing but a person can cure. `ModelUnknown` is not of it: one channel's setting may have caused it."""
TROUBLE = (*LASTING, ModelRateLimited, ModelUnavailable, ModelUnknown)


@dataclass(slots=True)
class Standing:
    """The last exchange's outcome. Moments are seconds since the epoch, None where there was none.

    `failure`: the kind of the last exchange's failure, empty where it was answered; `failing_since`: the first failure
    since the last answer; `lasting`: waiting will not cure it.
    """

    answered_at: float | None = None
    failure: str = ""
    failing_since: float | None = None
    lasting: bool = False

    def answered(self, now: float) -> None:
        """A whole answer came, or a refusal of the question alone."""
        self.answered_at = now
        self.failure, self.failing_since, self.lasting = "", None, False

    def failed(self, failure: ModelFailure, now: float) -> None:
        """An exchange failed."""
        if not isinstance(failure, TROUBLE):
            self.answered(now)
            return
        self.failure = type(failure).__name__
        self.failing_since = now if self.failing_since is None else self.failing_since
        self.lasting = isinstance(failure, LASTING)
