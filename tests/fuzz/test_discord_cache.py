"""Whatever events fed discord.py's cache of guilds and channels, a sound message is read afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

from discord.user import ClientUser
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.client import CACHED, Client
from adapters.discord.gateway import complete_user
from adapters.discord.parsing import PLATFORM, parse_message
from adapters.discord.places import Places
from adapters.discord.timing import Timing
from bot.messages import Address
from emulators.discord import DiscordServer
from emulators.discord.guild_payloads import guild_create_payload
from emulators.discord.payloads import member_payload, user_payload
from tests.fuzz.budget import count, examples
from tests.fuzz.discord_frames import Scene, sound_data
from tests.fuzz.spoiling import spoiled

SCENE = Scene.of(DiscordServer())
ROLES_ONLY = [name for name in sorted(CACHED) if name not in {"READY", "RESUMED"}]
GUILD, STORM = str(SCENE.discord.guild.id), str(SCENE.storm.id)


@st.composite
def _cached_events(draw: st.DrawFn) -> tuple[str, Any]:
    name = draw(st.sampled_from(ROLES_ONLY))
    return name, draw(spoiled(sound_data(SCENE, name)))


def _sound_message() -> dict[str, Any]:
    discord = SCENE.discord
    return {
        "id": str(discord.world.snowflake()),
        "channel_id": STORM,
        "guild_id": GUILD,
        "author": user_payload(SCENE.ada),
        "member": member_payload(SCENE.ada, discord.guild, with_user=False),
        "content": f"{discord.bot.mention} hello <@&{SCENE.helpers.id}> in <#{STORM}>",
        "timestamp": "2026-11-23T00:00:00+00:00",
        "type": 0,
    }


def test_no_event_keeps_later_messages_of_its_guild_from_being_read() -> None:
    discord = SCENE.discord
    whole = guild_create_payload(discord.guild, discord.world, discord.bot, [SCENE.storm], all_members=False)

    async def read(events: list[tuple[str, Any]]) -> None:
        client = Client(lambda _name, _data: None, Timing())
        user: Any = complete_user(user_payload(discord.bot))
        client._connection.user = ClientUser(state=client._connection, data=user)
        for name, data in [("GUILD_CREATE", whole), *events]:
            client._connection.parsers[name](data)
        places = Places(client, str(discord.bot.id), "Parley")
        payload = _sound_message()
        message = parse_message(payload, await places.surroundings(payload))
        assert message is not None and message.mentions_bot and message.text.startswith("hello @")
        place = await places.place(Address(PLATFORM, GUILD, STORM))
        assert all(isinstance(name, str) for name in (place.channel_name, place.workspace_name, place.topic))

    with asyncio.Runner() as runner:

        @examples(0.05, quick=60)
        @given(st.lists(_cached_events(), min_size=1, max_size=4))
        def fed(events: list[tuple[str, Any]]) -> None:
            runner.run(read(events))
            count("Discord cache events, fed", len(events))

        fed()
