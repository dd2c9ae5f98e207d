"""Every way Parley fails, one class each: one policy, one sentence for the asker, one signal for the admin.

    ParleyError
    ├── StartFailed                 the start ends with exit code 2 (75 if it may pass) and these problems
    │   ├── SettingsInvalid         what is missing or malformed in the settings
    │   ├── TokenRefused            a platform does not take a token
    │   └── DatabaseUnusable        the database cannot be opened or written
    ├── BackupRefused               no backup was made: why, and the way out
    ├── StorageFailed               a write or read failed: nothing was stored, leave the event unacknowledged
    │   └── LeaseLost               another worker has the turn: stop touching it
    ├── QuestionChanged             what a turn answers was edited or deleted: it starts again
    ├── TurnGivenUp                 a turn that brought its process down again and again is not tried again
    ├── TurnAbandoned               a turn for which not even a sentence could be said
    ├── Restored                    a turn that was open in a backup: whether it was answered since is not known
    ├── BudgetUsedUp                what may be spent in the month is spent, or set aside for others: no call is made
    ├── PriceUnknown                a budget holds, and nobody knows what the model costs: no call is made
    │   └── LengthUnbounded         nor how long its answer gets
    ├── ModelFailure                the model gave no (whole) answer
    │   ├── ModelUnavailable        timeouts, connection errors, 408, 409, 5xx: retried with backoff
    │   │   ├── StreamCut           the stream ended before its end
    │   │   └── StreamStalled       no token for the idle timeout
    │   ├── ModelRateLimited        429: retried after `retry_after`
    │   ├── QuotaExhausted          429 of the billing kind: never retried, the admin is told
    │   ├── KeyRefused              401, 403: never retried with the same key, the admin is told
    │   ├── KeysMissing             the secret that a place names has no keys: nobody else pays, the admin is told
    │   ├── ContextTooLong          the prompt does not fit: trimmed harder and tried again
    │   │   └── RequestTooLarge     nor into what one key may have in a minute: nothing is learnt of the model
    │   ├── ParameterRefused        a parameter, or form of prompt, the model does not take: dropped and remembered
    │   ├── ModelUnknown            404: no such model for this key, the admin is told
    │   ├── ContentRefused          the provider's filter refused the question
    │   └── ModelRefused            any other refusal
    └── DeliveryFailure             a platform did not take a message
        ├── DeliveryDelayed         rate limited: again after `retry_after`
        ├── DeliveryUncertain       no answer, 5xx: it may or may not have landed, reconcile first
        ├── MessageGone             the message to edit is no longer there: post it anew
        └── DeliveryRefused         definite: archived, not a member, no permission; the admin is told
            ├── StandsUnchanged     what was sent before stands, and takes no other text
            └── FateUnknown         whether it landed can't be found out: nothing of it is said twice

`sentence` is what the asker reads; where a failure `tells_admin`, `for_admin` is what the admins do, with `{about}` for
what it concerns. Neither carries a provider's own words: what may be kept of those goes to the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class ParleyError(Exception):
    """The root of the tree."""

    sentence: str = "Something went wrong on my side. Please ask again; if it stays so, tell an admin."
    tells_admin: ClassVar[bool] = False
    for_admin: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps the bot from starting: which variable, what is wrong, and the way out."""

    variable: str
    wrong: str
    cure: str


class StartFailed(ParleyError):
    """The bot cannot start; `problems` says why, one entry each. `passing`: a later start may find it mended."""

    def __init__(self, problems: Sequence[Problem], *, passing: bool = False) -> None:
        super().__init__("; ".join(f"{p.variable}: {p.wrong}" for p in problems))
        self.problems = tuple(problems)
        self.passing = passing


class SettingsInvalid(StartFailed):
    """Settings are missing or malformed."""


class TokenRefused(StartFailed):
    """A platform refused a token. Never carries the token itself."""

    tells_admin = True
    for_admin = (
        "{about} is refused though I was running with it. What was asked there waits. "
        "Set a valid token and restart me; `parley doctor` tells more."
    )

    def __init__(self, variable: str, said: str, cure: str) -> None:
        super().__init__([Problem(variable, said, cure)])


class DatabaseUnusable(StartFailed):
    """The database cannot be opened, written or brought up to date."""

    def __init__(self, wrong: str, cure: str, *, passing: bool = False) -> None:
        super().__init__([Problem("DATABASE_URL", wrong, cure)], passing=passing)


class BackupRefused(ParleyError):
    """No backup was made, and no file changed: `wrong` says why, `cure` names the way out."""

    def __init__(self, wrong: str, cure: str) -> None:
        super().__init__(f"{wrong}. {cure}")
        self.wrong = wrong
        self.cure = cure


class StorageFailed(ParleyError):
    """The database did not take a write or answer a read: nothing of it happened."""


class LeaseLost(StorageFailed):
    """The turn's lease has passed to another worker."""


class QuestionChanged(ParleyError):
    """What the turn answers was edited or deleted since it was read."""


class TurnGivenUp(ParleyError):
    """The turn brought its process down, or ran into a bug, again and again."""

    tells_admin = True
    for_admin = (
        "{about} was given up: it brought me down, or ran into a bug, again and again. "
        "The log has the stack; whoever asked was told."
    )


class TurnAbandoned(ParleyError):
    """Not even a sentence could be said for the turn: it is left to an operator."""

    tells_admin = True
    for_admin = (
        "{about} is left without an answer and without a word: its place took nothing for about a day, or it brought "
        "me down each time. `parley turns show` tells more, and `parley turns retry` has it tried again."
    )


class Restored(ParleyError):
    """The turn was open when the backup was made that the database was restored from.

    It was most likely answered by the bot that went on, so nothing is said of it, and it is left to an operator.
    """


class BudgetUsedUp(ParleyError):
    """A budget has no room for a question; `sentence` says whose it is, how much, and when it opens again."""

    def __init__(self, sentence: str) -> None:
        super().__init__("a budget has no room for the question")
        self.sentence = sentence


class PriceUnknown(ParleyError):
    """What the model costs is not known where a budget holds: it could not be kept."""

    sentence = (
        "I don't know what this channel's model costs, and there is a budget to keep, so I can't ask it. "
        "An admin can set its `price`, or another model."
    )
    tells_admin = True
    for_admin = (
        "I don't know what {about} costs, and a budget holds there, so questions are refused. Say what it costs with "
        "`/parley set price IN/OUT` (or `PARLEY_PRICE`), in dollars per million tokens, or name another model."
    )


class LengthUnbounded(PriceUnknown):
    """The model takes no limit on its answer where a budget holds: nobody knows how much an answer may cost."""

    sentence = (
        "This channel's model takes no limit on the length of its answers, and there is a budget to keep, so I can't "
        "ask it. An admin can set another model."
    )
    for_admin = (
        "{about} takes no limit on the length of its answers (neither `max_completion_tokens` nor `max_tokens`), and a "
        "budget holds there that I couldn't keep, so questions are refused. Name another model, or lift the budget."
    )


class ModelFailure(ParleyError):
    """The model gave no answer; `detail` is for the log alone."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or type(self).__name__)
        self.detail = detail


class ModelUnavailable(ModelFailure):
    """Transient: timeouts, connection errors, 408, 409 and 5xx."""

    sentence = "The model isn't answering right now. I tried several times; please ask again in a few minutes."


class StreamCut(ModelUnavailable):
    """The stream ended without its end."""


class StreamStalled(ModelUnavailable):
    """The stream stayed open and silent for longer than the idle timeout."""


class ModelRateLimited(ModelFailure):
    """429: too many requests or tokens; `retry_after` in seconds where the provider said so."""

    sentence = "The model is getting more questions than it may take. Please ask again in a minute."

    def __init__(self, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class QuotaExhausted(ModelFailure):
    """The account's credit or spending limit is used up."""

    sentence = (
        "The OpenAI account behind me has used up its quota, so I can't answer. An admin has to look at its billing."
    )
    tells_admin = True
    for_admin = (
        "The account behind {about} has used up its quota or reached its spending limit. "
        "Add credit or raise the limit at the provider; I notice by myself once it works again."
    )


class KeyRefused(ModelFailure):
    """The provider refused the key."""

    sentence = "The OpenAI key I was given is refused, so I can't answer. An admin has to replace it."
    tells_admin = True
    for_admin = (
        "The model's provider refuses {about}. Put a valid key in its place, or unlock this one at the provider. "
        "A changed secret file I take up by myself; a changed variable needs a restart."
    )


class KeysMissing(ModelFailure):
    """A place names a secret that the host does not have, or no longer. Nobody else's key is used instead."""

    sentence = (
        "The key that pays for this place isn't there any more, so I can't answer. An admin has to put it back, "
        "or name another one with `set key NAME`."
    )
    tells_admin = True
    for_admin = (
        "There are no keys in {about}, which some place's setting `key` names. Questions there are not answered, "
        "and nobody else's key is used for them. Put the secret back, or name another one: `set key NAME`, `reset key`."
    )

    def __init__(self, ring: str) -> None:
        super().__init__()
        self.ring = ring


class ContextTooLong(ModelFailure):
    """The prompt is longer than the model takes."""

    sentence = "This is longer than the model can read at once. A shorter question, or a fresh conversation, will do."


class RequestTooLarge(ContextTooLong):
    """The request alone is more than its key may have in a minute, which says nothing of the model."""


class ParameterRefused(ModelFailure):
    """The model does not take a parameter or a form; `parameter` names it as the request did, or `backend/forms.py`."""

    sentence = "The model doesn't accept one of this channel's settings. An admin can change the model or the setting."
    tells_admin = True
    for_admin = (
        "The model doesn't accept {about}. Another value, or `/parley reset` in that channel, or another model will do."
    )

    def __init__(self, detail: str = "", parameter: str = "") -> None:
        super().__init__(detail)
        self.parameter = parameter


class ModelUnknown(ModelFailure):
    """The provider has no such model for this key."""

    sentence = "The model set for this channel doesn't exist or isn't open to our key. An admin can set another one."
    tells_admin = True
    for_admin = (
        "The provider doesn't know {about}, or doesn't open it to our key. "
        "Name another model: `/parley set model NAME` in a channel, `OPENAI_MODEL` for all of them."
    )


class ContentRefused(ModelFailure):
    """The provider's content filter refused the question or the answer."""

    sentence = "The provider's content filter stopped this one. Rewording the question may help."


class ModelRefused(ModelFailure):
    """The provider refused the request for a reason of its own."""

    sentence = "The model refused this request. Please try another wording; if it stays so, tell an admin."
    tells_admin = True
    for_admin = (
        "{about} refused a question for a reason of its own. The log has the code that came with it; "
        "`parley doctor` tells whether it refuses everything."
    )


class DeliveryFailure(ParleyError):
    """A platform did not take a message; `code` is the platform's own word for it."""

    def __init__(self, code: str = "") -> None:
        super().__init__(code or type(self).__name__)
        self.code = code


class DeliveryDelayed(DeliveryFailure):
    """Rate limited: again after `retry_after` seconds."""

    def __init__(self, code: str = "", retry_after: float = 1.0) -> None:
        super().__init__(code)
        self.retry_after = retry_after


class DeliveryUncertain(DeliveryFailure):
    """No answer or a server error: the message may have landed. Reconcile before sending again."""


class MessageGone(DeliveryFailure):
    """The message to edit does not exist any more."""


class DeliveryRefused(DeliveryFailure):
    """Definite: the platform will not take it, now or later."""

    sentence = "My answer was not accepted here: a rule of this place, or a permission I lack, stands against it."
    tells_admin = True
    for_admin = (
        "{about} doesn't take my answers. Look whether it is archived, whether I'm a member and may write there, "
        "and whether a moderation rule stops me; the log has the platform's code."
    )


class StandsUnchanged(DeliveryRefused):
    """A message that was sent again stands as it was sent first, and takes no other text; `message_id` is its id."""

    def __init__(self, code: str, message_id: str) -> None:
        super().__init__(code)
        self.message_id = message_id


class FateUnknown(DeliveryRefused):
    """A message may have landed or not, and it can't be seen: mostly, the place can't be read."""

    sentence = (
        "I can't tell whether my answer has arrived here: it was not confirmed, and I could not look for it. "
        "If it doesn't stand above, please ask me again."
    )
    for_admin = (
        "In {about} I could not see whether an answer had arrived that was not confirmed. Mostly I lack the right to "
        "read there: `parley doctor` says which scopes and permissions; the log has the platform's code."
    )
