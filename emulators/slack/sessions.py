"""agents.sessions.setStatus: whether an agent is at work in a thread, which is what shows Slack's own stop button.

What a person's press of that button sends is `surfaces`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.slack.method import Method
from emulators.slack.model import Json, SlackError

if TYPE_CHECKING:
    from emulators.slack.core import Core

STOPPED = "agent_session_stopped"
STATUSES = ("active", "processing", "suspended", "closed")
MOST_TITLE = 200


def set_status(core: Core, arguments: Json) -> Json:
    """A session begins with its first status. Without the event's subscription there is a warning and no button."""
    if arguments["status"] not in STATUSES:
        raise SlackError("invalid_status")
    channel = core.channel(arguments["channel_id"])
    if core.bot.id not in channel.members:
        raise SlackError("not_authorized")
    thread_ts = arguments.get("thread_ts")
    if not thread_ts:
        raise SlackError("thread_ts_required")
    if (initiator := arguments.get("initiator_user_id")) is not None and initiator not in core.users:
        raise SlackError("user_not_found")
    if len(arguments.get("title") or "") > MOST_TITLE:
        raise SlackError("invalid_arguments")
    if any(arguments.get(name) for name in ("username", "icon_emoji", "icon_url")):
        core.require("chat:write.customize")
    core.sessions[channel.id, thread_ts] = arguments["status"]
    core.changed()
    answer: Json = {"agent_status": arguments["status"]}
    return answer if STOPPED in core.subscriptions else answer | {"warning": f"missing_{STOPPED}_event_subscription"}


_ARGUMENTS = {
    "channel_id": "str!",
    "status": "str!",
    "thread_ts": "ts",
    "title": "str",
    "initiator_user_id": "str",
    "icon_emoji": "str?",
    "icon_url": "str?",
    "username": "str?",
}

METHODS = [Method("agents.sessions.setStatus", _ARGUMENTS, set_status, "t3", "chat:write")]
