"""Messages, replies, nonces, edits, mentions and files of the emulated Discord, asked by the real discord.py."""

from __future__ import annotations

import asyncio
import io
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import discord
import pytest

from emulators.discord import Channel, DiscordServer, DiscordTiming, Permission, Upload
from tests.emulators.discord_clients import connected, no_content


def where(client: discord.Client, channel: Channel) -> discord.TextChannel:
    """The channel as the client knows it."""
    found = client.get_channel(channel.id)
    assert isinstance(found, discord.TextChannel)
    return found


async def test_the_same_nonce_returns_the_message_it_already_made() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        async with connected(server) as client:
            first = await where(client, channel).send("once", nonce="turn-1-part-1")
            again = await where(client, channel).send("once", nonce="turn-1-part-1")
            other = await where(client, channel).send("more", nonce="turn-1-part-2")
            assert first.id == again.id != other.id
            assert [m.content for m in server.bot_messages(channel)] == ["once", "more"]
            assert (first.nonce, (await client.next_message()).nonce) == ("turn-1-part-1", "turn-1-part-1")
            assert (await where(client, channel).fetch_message(first.id)).nonce is None
            assert (await client.next_message()).content == "more"
    assert server.complaints == []


async def test_a_nonce_is_forgotten_after_its_window() -> None:
    async with DiscordServer(timing=DiscordTiming(nonce_window=0.05)) as server:
        channel = server.add_channel("general")
        async with connected(server) as client:
            first = await where(client, channel).send("a", nonce="n")
            await asyncio.sleep(0.06)
            second = await where(client, channel).send("a", nonce="n")
            assert first.id != second.id


async def test_a_nonce_whose_message_was_deleted_makes_no_new_one() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        async with connected(server) as client:
            sent = await where(client, channel).send("a", nonce="n")
            await sent.delete()
            with pytest.raises(discord.NotFound) as caught:
                await where(client, channel).send("a", nonce="n")
            assert caught.value.code == 10008


async def test_a_nonce_over_25_characters_is_refused() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        async with connected(server) as client:
            with pytest.raises(discord.HTTPException) as caught:
                await where(client, channel).send("a", nonce="n" * 26)
            assert caught.value.code == 50035
            assert "nonce" in caught.value.text
    assert len(server.complaints) == 1


@pytest.mark.parametrize(
    ("what", "code", "path"),
    [
        ({"content": "x" * 2001}, 50035, "content"),
        ({"content": "  "}, 50006, ""),
        ({"embed": discord.Embed(description="x" * 4097)}, 50035, "embeds.0.description"),
        ({"embeds": [discord.Embed(description="x" * 4000)] * 2}, 50035, "embeds"),
        ({"embed": discord.Embed(description="x", title="t" * 257)}, 50035, "embeds.0.title"),
        (
            {
                "content": "x",
                "allowed_mentions": discord.AllowedMentions(users=[discord.Object(n) for n in range(101)]),
            },
            50035,
            "allowed_mentions.users",
        ),
    ],
)
async def test_what_discord_would_not_take_is_refused_in_its_words(what: dict[str, Any], code: int, path: str) -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        async with connected(server) as client:
            with pytest.raises(discord.HTTPException) as caught:
                await where(client, channel).send(**what)
            assert caught.value.code == code
            assert caught.value.status == 400
            if path:
                assert f"In {path}: " in caught.value.text
            assert server.bot_messages(channel) == []


async def test_a_reply_names_what_it_answers_and_pings_its_author() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            question = await server.say(alice, channel, "why?")
            asked = await client.next_message()
            await asked.reply("because")
            (answer,) = server.bot_messages(channel)
            assert (answer.type, answer.referenced) == (19, question)
            assert [(p.kind, p.target) for p in server.bot_pings] == [("reply", alice.id)]
            heard = await client.next_message()
            assert heard.reference.resolved.content == "why?"
            await asked.reply("quietly", mention_author=False)
            assert len(server.bot_pings) == 1


async def test_a_reply_to_a_deleted_message_fails_unless_told_not_to() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            question = await server.say(alice, channel, "why?")
            asked = await client.next_message()
            await server.delete(question)
            with pytest.raises(discord.HTTPException) as caught:
                await asked.reply("because")
            assert "Unknown message" in caught.value.text
            reference = asked.to_reference(fail_if_not_exists=False)
            await where(client, channel).send("because", reference=reference)
            (answer,) = server.bot_messages(channel)
            assert (answer.type, answer.reference) == (0, None)
    assert server.complaints == []


CROWD = "<@{alice}> <@&{role}> @everyone"


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (None, ["user", "role", "everyone"]),
        (discord.AllowedMentions.none(), []),
        (discord.AllowedMentions.all(), ["user", "role", "everyone"]),
        (discord.AllowedMentions(everyone=False, users=True, roles=False), ["user"]),
        (discord.AllowedMentions(everyone=False, users=[discord.Object(1)], roles=False), []),
        (discord.AllowedMentions(everyone=True, users=False, roles=False), ["everyone"]),
    ],
)
async def test_a_message_pings_whom_allowed_mentions_lets_through(
    allowed: discord.AllowedMentions | None, expected: list[str]
) -> None:
    async with DiscordServer() as server:
        channel, alice, role = server.add_channel("general"), server.add_user("alice"), server.add_role("staff")
        async with connected(server) as client:
            text = CROWD.format(alice=alice.id, role=role.id)
            options: dict[str, Any] = {} if allowed is None else {"allowed_mentions": allowed}
            await where(client, channel).send(text, **options)
            assert [p.kind for p in server.bot_pings] == expected
            heard = await client.next_message()
            assert heard.mention_everyone is ("everyone" in expected)
            assert bool(heard.mentions) is ("user" in expected)
            assert bool(heard.role_mentions) is ("role" in expected)


async def test_mentions_in_code_and_of_oneself_ping_nobody() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            await where(client, channel).send(f"`{alice.mention}` ```\n@everyone\n``` {server.bot.mention}")
            assert server.pings == []


async def test_an_unmentionable_role_and_everyone_need_the_permission() -> None:
    async with DiscordServer() as server:
        channel, role = server.add_channel("general"), server.add_role("staff", mentionable=False)
        async with connected(server) as client:
            server.deny(channel, Permission.MENTION_EVERYONE)
            await where(client, channel).send(f"<@&{role.id}> @here")
            assert server.pings == []
            server.deny(channel)
            await where(client, channel).send(f"<@&{role.id}> @here")
            assert [p.kind for p in server.pings] == ["role", "here"]


async def test_an_edit_keeps_history_and_pings_nobody() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            sent = await where(client, channel).send("one")
            await sent.edit(content=f"two {alice.mention}")
            edited = await sent.edit(content="three")
            assert edited.edited_at is not None
            (message,) = server.bot_messages(channel)
            assert [v.content for v in message.versions] == ["one", f"two {alice.mention}", "three"]
            assert [e.content for e in message.edits] == [f"two {alice.mention}", "three"]
            assert message.edits[0].at <= message.edits[1].at <= time.monotonic()
            assert server.pings == []
    assert server.complaints == []


async def test_only_the_author_may_edit_and_only_moderators_delete_others_messages() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            await server.say(alice, channel, "mine")
            hers = await client.next_message()
            with pytest.raises(discord.Forbidden) as editing:
                await hers.edit(content="yours")
            assert editing.value.code == 50005
            with pytest.raises(discord.Forbidden) as deleting:
                await hers.delete()
            assert deleting.value.code == 50013


async def test_old_messages_may_be_edited_only_so_often() -> None:
    async with DiscordServer(timing=DiscordTiming(old_edits=1, old_edits_window=0.6)) as server:
        channel = server.add_channel("general")
        async with connected(server) as client:
            sent = await where(client, channel).send("old")
            server.bot_messages(channel)[0].timestamp = datetime.now(UTC) - timedelta(hours=2)
            before = time.monotonic()
            for n in range(2):
                await sent.edit(content=str(n))
            assert time.monotonic() - before >= 0.3
    assert any("30046" in complaint for complaint in server.complaints)


async def test_edits_and_deletions_of_users_reach_the_client() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            message = await server.say(alice, channel, "teh")
            await client.next_message()
            await server.edit(message, "the")
            await server.delete(message)
            await client.heard_of("raw_message_delete")
            assert "message_edit" in client.events


async def test_a_redelivered_message_arrives_again_unchanged() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            message = await server.say(alice, channel, "hi")
            await server.redeliver(message)
            first, second = await client.next_message(), await client.next_message()
            assert first.id == second.id == message.id


async def test_content_is_withheld_without_the_intent_but_for_mentions_dms_and_replies_that_ping() -> None:
    async with DiscordServer(message_content=False) as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server, intents=no_content()) as client:

            async def heard(text: str, place: Channel = channel, **how: Any) -> str:
                await server.say(alice, place, text, attachments=[Upload("a.txt", b"a")], **how)
                message = await client.next_message()
                assert bool(message.attachments) is bool(message.content)
                content: str = message.content
                return content

            assert await heard("to nobody") == ""
            assert "to you" in await heard("to you", mention=True)
            assert await heard("private", server.open_dm(alice)) == "private"
            sent = await where(client, channel).send("the bot's own")
            assert (await client.next_message()).content == "the bot's own"
            own = server.bot_messages(channel)[0]
            assert own.id == sent.id
            assert await heard("ping", reply_to=own) == "ping"
            assert await heard("no ping", reply_to=own, ping_reply=False) == ""
            history = [m.content async for m in where(client, channel).history(oldest_first=True)]
            assert history == ["", f"{server.bot.mention} to you", "the bot's own", "ping", ""]


async def test_a_direct_message_has_no_guild_and_can_be_answered() -> None:
    async with DiscordServer() as server:
        alice = server.add_user("alice")
        async with connected(server) as client:
            await server.say(alice, server.open_dm(alice), "psst")
            message = await client.next_message()
            assert isinstance(message.channel, discord.DMChannel)
            assert message.guild is None
            await message.channel.send("yes?")
            await (await client.fetch_user(alice.id)).send("again")
            assert [m.content for m in server.bot_messages(server.open_dm(alice))] == ["yes?", "again"]
    assert server.complaints == []


async def test_history_is_paged_like_discords() -> None:
    async with DiscordServer(limits="none") as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        said = [await server.say(alice, channel, str(n)) for n in range(120)]
        async with connected(server) as client:
            place = where(client, channel)
            everything = [m.content async for m in place.history(limit=None, oldest_first=True)]
            assert everything == [str(n) for n in range(120)]
            after = [m.content async for m in place.history(after=discord.Object(said[99].id), limit=5)]
            assert after == ["100", "101", "102", "103", "104"]
            before = [m.content async for m in place.history(before=discord.Object(said[10].id), limit=3)]
            assert before == ["9", "8", "7"]
            around = [m.content async for m in place.history(around=discord.Object(said[50].id), limit=5)]
            assert sorted(around) == ["48", "49", "50", "51", "52"]


async def test_files_go_up_and_come_down_and_expire() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        data = bytes(range(256)) * 20 + b"\r\n--\r\n"
        async with connected(server) as client:
            sent = await where(client, channel).send("here", file=discord.File(io.BytesIO(data), "données 1.bin"))
            assert sent.attachments[0].filename == "donn_es_1.bin"
            assert await sent.attachments[0].read() == data
            await server.say(alice, channel, "mine", attachments=[Upload("notes.md", b"# notes")])
            await client.next_message()
            hers = (await client.next_message()).attachments[0]
            assert (hers.filename, hers.content_type, await hers.read()) == ("notes.md", "text/markdown", b"# notes")
            server.world.attachments[hers.id].expires = time.time()
            with pytest.raises(discord.NotFound):
                await hers.read()
    assert server.complaints == []


async def test_a_file_over_10_mib_is_too_large() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        async with connected(server) as client:
            big = discord.File(io.BytesIO(bytes(10 * 1024 * 1024 + 1)), "big.bin")
            with pytest.raises(discord.HTTPException) as caught:
                await where(client, channel).send(file=big)
            assert (caught.value.status, caught.value.code) == (413, 40005)


async def test_reactions_of_both_sides_show() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            message = await server.say(alice, channel, "nice")
            heard = await client.next_message()
            await heard.add_reaction("👍")
            await server.react(alice, message, "👍")
            assert message.reactions == {"👍": [server.bot, alice]}
            fetched = await where(client, channel).fetch_message(heard.id)
            assert [(r.emoji, r.count, r.me) for r in fetched.reactions] == [("👍", 2, True)]
            await heard.remove_reaction("👍", client.user)
            assert message.reactions == {"👍": [alice]}
            with pytest.raises(discord.HTTPException) as caught:
                await heard.add_reaction("thumbsup")
            assert caught.value.code == 10014


async def test_typing_is_seen() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            async with where(client, channel).typing():
                assert [(t.channel, t.user) for t in server.typing] == [(channel, server.bot)]
            await server.start_typing(alice, channel)
            assert len(server.typing) == 2


async def test_hidden_and_read_only_channels_say_so() -> None:
    async with DiscordServer() as server:
        hidden, quiet, alice = server.add_channel("hidden"), server.add_channel("quiet"), server.add_user("alice")
        server.deny(hidden, Permission.VIEW_CHANNEL)
        server.deny(quiet, Permission.SEND_MESSAGES)
        async with connected(server) as client:
            await server.say(alice, hidden, "secret")
            await server.say(alice, quiet, "open")
            assert (await client.next_message()).content == "open"
            with pytest.raises(discord.Forbidden) as access:
                await client.fetch_channel(hidden.id)
            assert access.value.code == 50001
            with pytest.raises(discord.Forbidden) as permission:
                await where(client, quiet).send("hm")
            assert permission.value.code == 50013
            with pytest.raises(discord.NotFound) as unknown:
                await client.fetch_channel(1)
            assert unknown.value.code == 10003


async def test_links_that_would_unfurl_are_noted_unless_suppressed() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        async with connected(server) as client:
            text = "https://a.example <https://b.example> `https://c.example`"
            await where(client, channel).send(text)
            await where(client, channel).send(text, suppress_embeds=True)
            open_one, suppressed = server.bot_messages(channel)
            assert open_one.unfurled == ["https://a.example"]
            assert suppressed.unfurled == []


async def test_previews_arrive_as_an_update_that_is_no_edit() -> None:
    async with DiscordServer() as server:
        channel, alice = server.add_channel("general"), server.add_user("alice")
        async with connected(server) as client:
            message = await server.say(alice, channel, "see https://a.example")
            await server.unfurl(message)
            await client.heard_of("raw_message_edit")
            heard = await client.next_message()
            assert [e.url for e in heard.embeds] == ["https://a.example"]
            assert heard.edited_at is None


async def test_who_takes_no_direct_messages_gets_none() -> None:
    async with DiscordServer() as server:
        alice = server.add_user("alice")
        alice.accepts_dms = False
        async with connected(server) as client:
            with pytest.raises(discord.Forbidden) as caught:
                await (await client.fetch_user(alice.id)).send("hello?")
            assert caught.value.code == 50007


async def raw(server: DiscordServer, method: str, path: str, **how: Any) -> tuple[int, Any, aiohttp.ClientResponse]:
    """One request without discord.py, authorized unless `headers` says otherwise."""
    headers = {"Authorization": f"Bot {server.token}", "User-Agent": "DiscordBot (https://example.org, 1)"}
    headers |= how.pop("headers", {})
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, server.url + path, headers=headers, **how) as r,
    ):
        text = await r.text()
        return r.status, await r.json() if r.content_type == "application/json" else text, r


@pytest.mark.parametrize(
    ("method", "path", "how", "status", "code"),
    [
        ("GET", "/users/@me", {"headers": {"Authorization": "Bot nonsense"}}, 401, 0),
        ("GET", "/users/@me", {"headers": {"Authorization": "emulated.discord.token"}}, 401, 0),
        ("GET", "/users/@me", {"headers": {"User-Agent": "curl/8"}}, 403, 40333),
        ("GET", "/nonsense", {}, 404, 0),
        ("PUT", "/users/@me", {}, 405, 0),
        ("GET", "/channels/abc", {}, 400, 50035),
        ("GET", "/channels/1", {}, 404, 10003),
        ("POST", "/channels/{c}/messages", {"data": "x=1"}, 400, 50035),
        ("POST", "/channels/{c}/messages", {"data": b"{", "headers": {"Content-Type": "application/json"}}, 400, 50109),
        ("POST", "/channels/{c}/messages", {"json": []}, 400, 50035),
        ("GET", "/channels/{c}/messages?limit=101", {}, 400, 50035),
        ("GET", "/channels/{c}/messages/1", {}, 404, 10008),
        ("GET", "/guilds/1", {}, 404, 10004),
        ("GET", "/users/1", {}, 404, 10013),
    ],
)
async def test_errors_have_discords_status_code_and_shape(
    method: str, path: str, how: dict[str, Any], status: int, code: int
) -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        got, body, response = await raw(server, method, path.format(c=channel.id), **how)
        assert (got, body["code"]) == (status, code)
        assert response.headers["Content-Type"] == "application/json"
        assert isinstance(body["message"], str)
        assert ("errors" in body) is (code == 50035)
        if status not in {404, 403} or code == 0:
            assert len(server.complaints) == 1


async def test_unknown_fields_are_passed_over_but_complained_about() -> None:
    async with DiscordServer() as server:
        channel = server.add_channel("general")
        status, _, _ = await raw(server, "POST", f"/channels/{channel.id}/messages", json={"content": "x", "colour": 1})
        assert status == 200
        assert "'colour'" in server.complaints[0]
