"""Whatever Discord sends is read without an error, into values of the right types, by the parsers alone."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.discord import markdown, outgoing
from adapters.discord.interactions import Filled, Pressed, parse_interaction
from adapters.discord.parsing import (
    mentioned_channels,
    parse_deletions,
    parse_edit,
    parse_history_entry,
    parse_message,
    parse_reaction,
    reply_target,
)
from adapters.discord.people import Surroundings
from adapters.discord.permissions import Overwrite
from adapters.discord.registration import is_registered, registration
from bot.commands import COMMANDS
from bot.messages import Author, IncomingMessage, PartKey, Reply
from emulators.discord import DiscordServer
from tests.fuzz.budget import count, examples
from tests.fuzz.checks import are_flags, is_count, is_moment, is_text
from tests.fuzz.discord_frames import Scene, sound_data, sound_messages
from tests.fuzz.spoiling import JUNK, TEXTS, spoiled

SCENE = Scene.of(DiscordServer())
AROUND = Surroundings(
    bot_id=str(SCENE.discord.bot.id),
    bot_name="Parley",
    owner_id=str(SCENE.discord.owner.id),
    own_roles=frozenset({str(SCENE.discord.bot.roles[0].id)}),
    roles={str(SCENE.helpers.id): "helpers"},
    channels={str(SCENE.storm.id): "storm"},
    granted={"5": 1 << 3},
    overwrites={str(SCENE.helpers.id): Overwrite(allow=1 << 4)},
)


def check_author(author: Author | None) -> None:
    """An author has an id and a name of text."""
    assert author is None or (author.id.isdigit() and isinstance(author.name, str))


def check_message(message: IncomingMessage | None) -> None:
    """Every field has the type that it promises."""
    if message is None:
        return
    assert message.id.isdigit() and message.address.channel.isdigit()
    assert message.address.workspace == "" or message.address.workspace.isdigit()
    assert is_text(message.text) and is_moment(message.sent_at)
    check_author(message.author)
    if message.quoted is not None:
        check_author(message.quoted.author)
        assert message.quoted.id.isdigit() and isinstance(message.quoted.text, str | None)
    assert are_flags(message.mentions_bot, message.edited, message.direct, message.mentions_others)
    assert are_flags(message.author.is_bot, message.author.is_admin)
    for file in message.attachments:
        assert is_count(file.size)
        assert all(is_text(part) for part in (file.name, file.media_type, file.url))


@examples(0.15, quick=150)
@given(spoiled(sound_messages(SCENE)) | JUNK)
def test_any_message_is_read(payload: Any) -> None:
    check_message(parse_message(payload, AROUND))
    check_message(parse_history_entry(payload, AROUND))
    edit = parse_edit(payload, AROUND)
    check_message(edit.message if edit else None)
    assert reply_target(payload) is None or isinstance(reply_target(payload), str)
    assert all(number.isdigit() for number in mentioned_channels(payload))
    count("Discord messages, parsed")


@examples(0.02, quick=50)
@given(spoiled(sound_data(SCENE, "MESSAGE_DELETE") | sound_data(SCENE, "MESSAGE_DELETE_BULK")) | JUNK)
def test_any_deletion_is_read(payload: Any) -> None:
    for deleted in parse_deletions(payload, None):
        assert deleted.id.isdigit() and deleted.address.channel.isdigit()
    count("Discord deletions, parsed")


@examples(0.05, quick=80)
@given(spoiled(sound_data(SCENE, "MESSAGE_REACTION_ADD")) | JUNK, st.booleans())
def test_any_reaction_is_read(payload: Any, added: bool) -> None:
    found = parse_reaction(payload, AROUND, added=added)
    if found is not None:
        check_author(found.author)
        assert found.message_id.isdigit() and is_text(found.emoji)
    count("Discord reactions, parsed")


@examples(0.05, quick=80)
@given(spoiled(sound_data(SCENE, "INTERACTION_CREATE")) | JUNK)
def test_any_interaction_is_read(payload: Any) -> None:
    found = parse_interaction(payload, COMMANDS, AROUND)
    if found is not None:
        assert found.ticket.id.isdigit() and found.ticket.application_id.isdigit()
        assert found.ticket.token.isascii() and "/" not in found.ticket.token
    if isinstance(found, Filled):
        check_author(found.form.author)
        assert all(isinstance(text, str) for pair in found.form.values.items() for text in pair)
    elif isinstance(found, Pressed):
        check_author(found.press.author)
        assert found.press.message_id.isdigit()
    elif found is not None:
        check_author(found.command.author)
        assert all(isinstance(argument, str) for argument in (found.command.name, *found.command.arguments))
    count("Discord interactions, parsed")


@examples(0.01, quick=30)
@given(spoiled(st.just(registration(COMMANDS))) | JUNK)
def test_any_list_of_commands_is_compared(registered: Any) -> None:
    assert isinstance(is_registered(registered, registration(COMMANDS)), bool)
    count("Discord commands, compared")


@examples(0.05, quick=80)
@given(TEXTS, st.dictionaries(TEXTS, st.sampled_from(["5", "6"]), max_size=2))
def test_any_text_is_translated_both_ways(text: str, names: dict[str, str]) -> None:
    assert isinstance(markdown.to_markdown(text, {"5": "Ada"}), str)
    assert isinstance(markdown.mentioned_ids(text), tuple)
    reply = Reply(text[:12_000], names)
    body = outgoing.new_message(reply, PartKey(text[:50], 1), "5")
    assert set(body["allowed_mentions"]["users"]) <= {"5", "6"}
    assert outgoing.is_older_state({"content": text}, body) in (True, False)
    count("Discord texts, translated")
