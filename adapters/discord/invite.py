"""The link that brings the bot into a server, with the least permissions the code needs."""

from __future__ import annotations

import discord

PERMISSIONS = discord.Permissions(
    view_channel=True, send_messages=True, send_messages_in_threads=True, read_message_history=True
)
"""Read what is asked, answer there and in threads, read a thread once when mentioned in its middle; typing, editing
and deleting the bot's own messages and answering commands need no more."""

SCOPES = ("bot", "applications.commands")


def invite_link(application_id: str) -> str:
    """The address an admin opens to add the bot to a server."""
    return discord.utils.oauth_url(application_id, permissions=PERMISSIONS, scopes=SCOPES)
