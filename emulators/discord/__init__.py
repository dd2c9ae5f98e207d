"""Discord over its real protocols on loopback: REST (API v10), gateway and CDN.

`DiscordServer` is the whole of it; the dataclasses are what it hands out.
"""

from emulators.discord.interactions import Interaction
from emulators.discord.server import DiscordServer
from emulators.discord.sessions import Connection, Session
from emulators.discord.state import (
    Attachment,
    Channel,
    DiscordTiming,
    Guild,
    Message,
    Permission,
    Ping,
    Role,
    Typing,
    Upload,
    User,
    Version,
)

__all__ = [
    "Attachment",
    "Channel",
    "Connection",
    "DiscordServer",
    "DiscordTiming",
    "Guild",
    "Interaction",
    "Message",
    "Permission",
    "Ping",
    "Role",
    "Session",
    "Typing",
    "Upload",
    "User",
    "Version",
]
