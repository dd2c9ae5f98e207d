"""The body of a call that shows a reply, and the further tries where Slack refuses its blocks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog

from adapters.slack.buttons import actions_of
from adapters.slack.failures import SlackFault
from adapters.slack.mrkdwn import TEXT_LIMIT, as_mrkdwn, length
from adapters.slack.rendering import blocks_of, plain_blocks_of, text_of
from bot.errors import DeliveryRefused
from bot.messages import Reply

log = structlog.get_logger(__name__)

Result = TypeVar("Result")
Body = dict[str, Any]

QUIET: Body = {"unfurl_links": False, "unfurl_media": False}
"""No preview of what an answer links to."""

# What Slack makes of a `markdown` block is its own affair, and may be something it does not take (tables it
# counts among attachments):
# https://docs.slack.dev/reference/methods/chat.postMessage#errors
_BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "invalid_attachments"})


def body_of(reply: Reply) -> Body:
    """The reply as the arguments `blocks` and `text`, of which Slack shows the first. Raises `DeliveryRefused`."""
    blocks = blocks_of(reply.text, reply.mentions)
    if not blocks:
        raise DeliveryRefused("no_text")
    return {"blocks": [*blocks, *actions_of(reply.buttons)], "text": text_of(reply.text, reply.mentions)}


async def shown(reply: Reply, call: Callable[[Body], Awaitable[Result]]) -> Result:
    """Make the call that shows a reply; where its blocks are refused, again with the same text in plainer ones, and
    where those are, a short one without any and without buttons.

    Raises what the call raises, and `DeliveryRefused` where there is nothing to show.
    """
    body = body_of(reply)
    for plainer in (_in_plain_blocks, _in_text_alone):
        try:
            return await call(body)
        except SlackFault as fault:
            if fault.code not in _BLOCKS_REFUSED or (other := plainer(reply)) is None:
                raise
            log.warning("slack_blocks_refused", code=fault.code)
            body |= other
    return await call(body)


def _in_plain_blocks(reply: Reply) -> Body | None:
    return {"blocks": [*plain_blocks_of(reply.text, reply.mentions), *actions_of(reply.buttons)]}


def _in_text_alone(reply: Reply) -> Body | None:
    text = as_mrkdwn(reply.text, reply.mentions)
    # An edit that names no blocks leaves those that stand.
    return {"blocks": [], "text": text} if length(text) <= TEXT_LIMIT else None
