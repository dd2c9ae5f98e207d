"""What goes wrong with a call to Slack's Web API, and what that means for a delivery.

`ask` is the one way a call is awaited: every failure leaves it as a `SlackFault`. Decisions go by Slack's own code
in the `error` field and by the HTTP status, never by the wording of a message.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.errors import DeliveryDelayed, DeliveryFailure, DeliveryRefused, DeliveryUncertain, MessageGone

# A 429 without Retry-After: https://docs.slack.dev/apis/web-api/rate-limits counts by the minute.
DEFAULT_RETRY_AFTER = 5.0
# Slack gives whole seconds from 1 on. What says 0 would be asked without a pause for as long as it says so.
LEAST_RETRY_AFTER = 0.25

# A message that streams takes no edit: https://docs.slack.dev/reference/methods/chat.update#errors
STILL_STREAMING = "streaming_state_conflict"

_LIMITED = frozenset({"ratelimited", "rate_limited"})
# Slack's trouble, not ours, or over once a migration is: https://docs.slack.dev/reference/methods/chat.postMessage#errors
_TRANSIENT = frozenset(
    {
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "update_failed",
        "team_added_to_org",
        "org_login_required",
        "external_channel_migrating",
        STILL_STREAMING,
    }
)
# HTTP's own: there is no such address, or not for this method.
_NOT_SERVED = frozenset({404, 405, 410, 501})
# The token is refused, which an admin can set right: https://docs.slack.dev/reference/methods/auth.test#errors
_TOKEN_REFUSED = frozenset({"token_revoked", "invalid_auth", "account_inactive", "token_expired", "not_authed"})
_TOKEN_REFUSED_RETRY_AFTER = 30.0
# The message is gone, or not ours to change any more: https://docs.slack.dev/reference/methods/chat.update#errors
_GONE = frozenset({"message_not_found", "edit_window_closed", "cant_update_message"})

# What Slack's codes look like: they are logged, and something between us and Slack may write what it likes there.
_CODE = re.compile(r"[a-zA-Z0-9_.:-]{1,80}")

# The SDK lets bodies that are no JSON object escape as ValueError, TypeError or AttributeError; a session that closes
# under a call is a RuntimeError, and a charset that is none for texts a LookupError.
_RAISED = (SlackClientError, aiohttp.ClientError, ValueError, TypeError, AttributeError, LookupError, RuntimeError)


class SlackFault(Exception):
    """A call that did not succeed.

    `code` is Slack's own where it answered (`refused` is then true), else `timeout`, `connection`, `unreadable` or
    `http_503`; `retry_after` in seconds where Slack said so.
    """

    def __init__(
        self, code: str, *, status: int = 0, refused: bool = False, retry_after: float | None = None, needed: str = ""
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.refused = refused
        self.retry_after = retry_after
        self.needed = needed

    @property
    def limited(self) -> bool:
        """Whether Slack asked to come back later."""
        return self.status == 429 or self.code in _LIMITED

    @property
    def transient(self) -> bool:
        """Whether the same call may well succeed later."""
        return self.limited or not self.refused or self.status >= 500 or self.code in _TRANSIENT

    @property
    def about_metadata(self) -> bool:
        """Whether Slack refused what a message carries besides its words."""
        return self.refused and "metadata" in self.code

    @property
    def unserved(self) -> bool:
        """Whether nobody there serves the method at all: a proxy, or what stands in for Slack."""
        return not self.refused and self.status in _NOT_SERVED

    @property
    def token_refused(self) -> bool:
        """Whether Slack did not take the token."""
        return self.refused and self.code in _TOKEN_REFUSED


async def ask(call: Awaitable[AsyncSlackResponse]) -> dict[str, Any]:
    """Await a Web API call and return Slack's answer as plain data; raises `SlackFault`."""
    answer, _ = await ask_with_headers(call)
    return answer


async def ask_with_headers(call: Awaitable[AsyncSlackResponse]) -> tuple[dict[str, Any], Mapping[str, str]]:
    """As `ask`, with the HTTP headers of the answer, names in lower case."""
    try:
        response = await call
    except SlackApiError as error:
        raise _fault_of(error.response) from None
    except TimeoutError:
        raise SlackFault("timeout") from None
    except (aiohttp.ClientConnectionError, OSError):
        raise SlackFault("connection") from None
    except _RAISED:
        raise SlackFault("unreadable") from None
    if not isinstance(response.data, dict):
        raise SlackFault("unreadable", status=response.status_code)
    return response.data, {name.lower(): value for name, value in response.headers.items()}


def as_delivery_failure(fault: SlackFault, *, editing: bool = False, reading: bool = False) -> DeliveryFailure:
    """What a fault means for a message; `editing` for calls about a message that was posted before, `reading` for
    those that look for one."""
    if fault.limited:
        after = DEFAULT_RETRY_AFTER if fault.retry_after is None else max(fault.retry_after, LEAST_RETRY_AFTER)
        return DeliveryDelayed(fault.code, retry_after=after)
    if reading and fault.unserved:
        return DeliveryRefused(fault.code)
    if fault.transient:
        return DeliveryUncertain(fault.code)
    if fault.token_refused:  # what was asked is answered once the token is good again
        return DeliveryDelayed(fault.code, retry_after=_TOKEN_REFUSED_RETRY_AFTER)
    if editing and fault.code in _GONE:
        return MessageGone(fault.code)
    return DeliveryRefused(fault.code)


def _fault_of(response: object) -> SlackFault:
    """The SDK hands over its own response, or aiohttp's where the body could not be read as JSON."""
    status = getattr(response, "status_code", None) or getattr(response, "status", None) or 0
    data = getattr(response, "data", None)
    code = data.get("error") if isinstance(data, dict) else None
    needed = data.get("needed") if isinstance(data, dict) else None
    retry_after = _seconds((getattr(response, "headers", None) or {}).get("Retry-After"))
    if isinstance(code, str) and code:
        code = code if _CODE.fullmatch(code) else "unknown_error"
        needed = needed if isinstance(needed, str) else ""
        return SlackFault(code, status=status, refused=True, retry_after=retry_after, needed=needed)
    return SlackFault(f"http_{status}" if status != 200 else "unreadable", status=status, retry_after=retry_after)


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None
