"""`parley manifest`: what to paste where a platform asks what the bot may do, made from the code that needs it."""

from __future__ import annotations

import base64
import binascii
import json

from rich.console import Console

from adapters.discord.invite import invite_link
from adapters.slack.manifest import manifest
from bot import environment
from bot.commands import USAGE
from bot.settings import Settings


def show(console: Console, platform: str | None = None) -> None:
    """Print Slack's manifest as JSON and Discord's invite link, or one of them alone (`slack`, `discord`).

    What to do with them goes to standard error, so that the output can be piped on.
    """
    notes = Console(stderr=True, highlight=False, soft_wrap=True)
    if platform in (None, "slack"):
        notes.print("[bold]Slack[/]: api.slack.com/apps → Create New App → From a manifest → paste this:")
        console.file.write(json.dumps(manifest(usage=USAGE), indent=2, ensure_ascii=False) + "\n")
    if platform in (None, "discord"):
        notes.print("[bold]Discord[/]: open this link as somebody who may add bots to the server:")
        settings, _ = environment.read()
        console.file.write(invite_link(_application_id(settings)) + "\n")


def _application_id(settings: Settings) -> str:
    """The application's id, which is the first part of its bot token in base64; a blank to fill in without a token."""
    if settings.discord_bot_token is None:
        return "APPLICATION_ID"
    head = settings.discord_bot_token.get_secret_value().split(".")[0]
    try:
        application_id = base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "APPLICATION_ID"
    return application_id if application_id.isdecimal() else "APPLICATION_ID"
