"""The link that brings the bot into a server, with the permissions the code can use."""

from __future__ import annotations

import discord

PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    read_message_history=True,
    create_public_threads=True,
    attach_files=True,
)
"""Read what is asked, answer there and in threads, read a thread once when mentioned in its middle; typing, editing
and deleting the bot's own messages and answering commands need no more. The last two may be left out: without them it
opens no threads of its own where a channel is set so, and posts no charts."""

SCOPES = ("bot", "applications.commands")


def invite_link(application_id: str) -> str:
    """The address an admin opens to add the bot to a server."""
    return discord.utils.oauth_url(application_id, permissions=PERMISSIONS, scopes=SCOPES)
