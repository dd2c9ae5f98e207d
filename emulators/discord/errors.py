"""Discord's error answers: the exception the handlers raise and the shapes its documents give.

Codes and sentences are those of the API reference's list of JSON error codes. What status goes with which
code lives here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class DiscordError(Exception):
    """One error answer: HTTP `status`, Discord's numeric `code`, its `message`, and the tree of form errors."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        errors: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def body(self) -> dict[str, Any]:
        """The JSON object of the answer."""
        body: dict[str, Any] = {"message": self.message, "code": self.code, **self.extra}
        if self.errors:
            body["errors"] = self.errors
        return body


UNAUTHORIZED = (401, 0, "401: Unauthorized")
NOT_FOUND = (404, 0, "404: Not Found")
METHOD_NOT_ALLOWED = (405, 0, "405: Method Not Allowed")
BLOCKED_CLIENT = (403, 40333, "internal network error")
UNKNOWN_CHANNEL = (404, 10003, "Unknown Channel")
UNKNOWN_GUILD = (404, 10004, "Unknown Guild")
UNKNOWN_MEMBER = (404, 10007, "Unknown Member")
UNKNOWN_MESSAGE = (404, 10008, "Unknown Message")
UNKNOWN_USER = (404, 10013, "Unknown User")
UNKNOWN_EMOJI = (400, 10014, "Unknown Emoji")
UNKNOWN_WEBHOOK = (404, 10015, "Unknown Webhook")
UNKNOWN_INTERACTION = (404, 10062, "Unknown interaction")
UNKNOWN_COMMAND = (404, 10063, "Unknown application command")
OLD_EDITS = (429, 30046, "Maximum number of edits to messages older than 1 hour reached. Try again later")
TOO_LARGE = (413, 40005, "Request entity too large")
ALREADY_ACKNOWLEDGED = (400, 40060, "Interaction has already been acknowledged.")
MISSING_ACCESS = (403, 50001, "Missing Access")
WRONG_CHANNEL_TYPE = (400, 50024, "Cannot execute action on this channel type")
NOT_YOURS = (403, 50005, "Cannot edit a message authored by another user")
EMPTY_MESSAGE = (400, 50006, "Cannot send an empty message")
CANNOT_DM = (403, 50007, "Cannot send messages to this user")
NOT_IN_A_DM = (403, 50003, "Cannot execute action on a DM channel")
MISSING_PERMISSIONS = (403, 50013, "Missing Permissions")
BAD_WEBHOOK_TOKEN = (401, 50027, "Invalid Webhook Token")
INVALID_FORM = (400, 50035, "Invalid Form Body")
THREAD_ARCHIVED = (400, 50083, "Thread is archived")
INVALID_JSON = (400, 50109, "The request body contains invalid JSON.")
NO_HISTORY_FOR_REPLY = (400, 160002, "Cannot reply without permission to read message history")
THREAD_EXISTS = (400, 160004, "A thread has already been created for this message")
THREAD_LOCKED = (400, 160005, "Thread is locked")


def fail(known: tuple[int, int, str]) -> DiscordError:
    """One of the errors above, ready to raise."""
    status, code, message = known
    return DiscordError(status, code, message)


class FormErrors:
    """Collects the errors of one request's body or query by path; `check` raises 50035 with all of them."""

    def __init__(self) -> None:
        self._tree: dict[str, Any] = {}

    def add(self, path: str, code: str, message: str) -> None:
        """Note an error at `path`, keys and indexes joined by dots (`embeds.0.title`); `` is the form itself."""
        node = self._tree
        for key in path.split(".") if path else []:
            node = node.setdefault(key, {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def too_long(self, path: str, limit: int) -> None:
        """The string at `path` has more than `limit` characters."""
        self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")

    def bad_length(self, path: str, low: int, high: int) -> None:
        """The string or list at `path` is not between `low` and `high` long."""
        self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")

    def required(self, path: str) -> None:
        """The field at `path` is missing."""
        self.add(path, "BASE_TYPE_REQUIRED", "This field is required")

    def choice(self, path: str, value: object, choices: object) -> None:
        """The value at `path` is none of `choices`."""
        self.add(path, "BASE_TYPE_CHOICES", f"Value {value!r} must be one of {choices}.")

    def __bool__(self) -> bool:
        return bool(self._tree)

    def check(self) -> None:
        """Raise 50035 if anything was noted."""
        if self._tree:
            raise DiscordError(*INVALID_FORM, errors=self._tree)


def form_error(path: str, code: str, message: str) -> DiscordError:
    """A 50035 with the one error `code` at `path`."""
    errors = FormErrors()
    errors.add(path, code, message)
    try:
        errors.check()
    except DiscordError as error:
        return error
    raise AssertionError("an error was noted")
