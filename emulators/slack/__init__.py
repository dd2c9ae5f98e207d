"""A Slack workspace on loopback: the Web API and Socket Mode, strict enough that Slack's own SDK cannot tell."""

from emulators.slack.model import (
    Ack,
    Channel,
    Delivery,
    File,
    Message,
    MessageState,
    Modal,
    Ping,
    Status,
    Stream,
    Timing,
    Unfurl,
    Upload,
    User,
)
from emulators.slack.state import BOT_SCOPES, SUBSCRIPTIONS
from emulators.slack.workspace import SlackWorkspace

__all__ = [
    "BOT_SCOPES",
    "SUBSCRIPTIONS",
    "Ack",
    "Channel",
    "Delivery",
    "File",
    "Message",
    "MessageState",
    "Modal",
    "Ping",
    "SlackWorkspace",
    "Status",
    "Stream",
    "Timing",
    "Unfurl",
    "Upload",
    "User",
]
