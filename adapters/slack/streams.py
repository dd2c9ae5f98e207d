"""Messages that grow by Slack's own streams: begun, appended to, ended.

A stream takes more of the same text alone, as Slack's own Markdown, and dies after about five minutes. `False` and
None mean that a stream can't do it: the message then takes a post or an edit, and `edits.py` ends what still streams.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack.buttons import actions_of
from adapters.slack.failures import SlackFault, ask
from adapters.slack.history import metadata_of
from adapters.slack.mrkdwn import length
from adapters.slack.native import as_native
from adapters.slack.rendering import MARKDOWN_LIMIT, has_table
from bot.messages import Address, PartKey, Reply

log = structlog.get_logger(__name__)

# After these, or a page that is no answer of the method's at all, streams are not tried again in this process.
_NO_STREAMS_HERE = frozenset(
    {
        "unknown_method",
        "missing_scope",
        "not_allowed",
        "not_allowed_token_type",
        "no_permission",
        "access_denied",
        "method_deprecated",
        "deprecated_endpoint",
        "feature_not_enabled",
        "not_subscribed_to_message_stream_stopped",
    }
)


class StreamedMessages:
    """Streams of one workspace, and whether they can be had there."""

    def __init__(self, web: AsyncWebClient, *, wanted: bool) -> None:
        self._web = web
        self._works = wanted

    def can_begin(self, address: Address) -> bool:
        """Whether one may be begun there, as far as it is known: only in threads, and not where Slack has refused."""
        return self._works and address.thread is not None

    async def begin(self, address: Address, reply: Reply, recipient: str) -> str | None:
        """Begin a message in a thread and return its `ts`. Raises a `SlackFault` that is no refusal."""
        text = _text_of(reply)
        if not self.can_begin(address) or not text.strip() or length(text) > MARKDOWN_LIMIT or has_table(reply.text):
            return None
        try:
            answer = await ask(
                self._web.chat_startStream(
                    channel=address.channel,
                    thread_ts=address.thread or "",
                    markdown_text=text,
                    recipient_user_id=recipient,
                    recipient_team_id=address.workspace,
                )
            )
        except SlackFault as fault:
            if fault.code in _NO_STREAMS_HERE or (400 <= fault.status < 500 and not fault.limited):
                self._works = False
            elif fault.transient or fault.token_refused:
                raise
            log.info("slack_stream_not_begun", code=fault.code, again=self._works)
            return None
        ts = answer.get("ts")
        if not isinstance(ts, str) or not ts:
            raise SlackFault("no_ts", status=200)
        return ts

    async def append(self, address: Address, ts: str, shown: Reply, reply: Reply) -> bool:
        """Let a message go on. Raises a `SlackFault` that is no refusal."""
        more = _more(shown, reply)
        if not more:
            return more is not None
        return await _taken(self._web.chat_appendStream(channel=address.channel, ts=ts, markdown_text=more))

    async def end(self, address: Address, ts: str, shown: Reply, reply: Reply, key: PartKey) -> bool:
        """Let a message go on and end its stream. Raises a `SlackFault` that is no refusal."""
        more = _more(shown, reply)
        if more is None:
            return False
        rest: dict[str, Any] = {"markdown_text": more} if more else {}
        if reply.buttons:
            rest["blocks"] = actions_of(reply.buttons)
        return await _taken(
            self._web.chat_stopStream(channel=address.channel, ts=ts, metadata=metadata_of(key), **rest)
        )


def _text_of(reply: Reply) -> str:
    """The same Markdown as in the block of a message that does not stream."""
    return as_native(reply.text, tuple(reply.mentions.items())).text


def _more(shown: Reply, reply: Reply) -> str | None:
    """What is to be appended to `shown` so that it is `reply`; None where that can't be.

    `markdown_text` shows no tables: a message with one takes an edit, which shows it as a block.
    """
    if has_table(reply.text):
        return None
    before, after = _text_of(shown), _text_of(reply)
    return after[len(before) :] if after.startswith(before) and length(after) <= MARKDOWN_LIMIT else None


async def _taken(call: Awaitable[AsyncSlackResponse]) -> bool:
    """Whether Slack took it. Raises the `SlackFault` where that is not known, it passes, or the message is gone."""
    try:
        await ask(call)
    except SlackFault as fault:
        if fault.transient or fault.token_refused or fault.code == "message_not_found":
            raise
        log.info("slack_stream_over", code=fault.code)
        return False
    return True
