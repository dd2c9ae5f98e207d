"""What there is once Discord has let the bot in."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.discord.client import Client, Identity
from adapters.discord.places import Places


@dataclass(frozen=True, slots=True)
class Login:
    """A client that is logged in, who it is, and what it knows of its surroundings."""

    client: Client
    identity: Identity
    places: Places
