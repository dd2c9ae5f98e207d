"""Payloads of Discord become the common model; whatever is not readable becomes nothing, and never an exception."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.interactions import parse_interaction
from adapters.discord.parsing import (
    mentioned_channels,
    parse_deletions,
    parse_edit,
    parse_history_entry,
    parse_message,
    reply_target,
)
from adapters.discord.people import Surroundings
from adapters.discord.permissions import Overwrite, runs_channel
from adapters.discord.values import identifier
from bot.messages import Address, Attachment, Author, IncomingMessage, MessageDeleted, Quoted

BOT = "42"
AROUND = Surroundings(
    BOT,
    "Parley",
    owner_id="1",
    own_roles=frozenset({"77"}),
    roles={"77": "Parley", "99": "crew"},
    channels={"5": "general"},
    granted={"6": 1 << 10, "88": 1 << 5, "99": 1 << 4},
    overwrites={"6": Overwrite(deny=1 << 4), "55": Overwrite(allow=1 << 4), "7": Overwrite(allow=1 << 4)},
)
ADA = {"id": "8", "username": "ada", "global_name": "Ada L."}


def payload(**changes: Any) -> dict[str, Any]:
    """A message object, with changes."""
    return {
        "id": "1574500000000000000",
        "channel_id": "5",
        "guild_id": "6",
        "type": 0,
        "author": ADA,
        "member": {"nick": "Ada", "roles": []},
        "content": "hello",
        "timestamp": "2026-11-23T19:00:00.000000+00:00",
        "edited_timestamp": None,
        "mentions": [],
        "mention_roles": [],
        "mention_everyone": False,
        "attachments": [],
        **changes,
    }


def parsed(around: Surroundings = AROUND, **changes: Any) -> IncomingMessage:
    """The message that the payload becomes."""
    message = parse_message(payload(**changes), around)
    assert message is not None
    return message


def mention(user_id: str, name: str = "") -> dict[str, Any]:
    """An entry of `mentions`."""
    return {"id": user_id, "username": name or f"user{user_id}"}


def test_a_plain_message() -> None:
    assert parsed() == IncomingMessage(
        address=Address("discord", "6", "5"),
        id="1574500000000000000",
        author=Author("8", "Ada", roles=frozenset()),
        text="hello",
        mentions_bot=False,
        sent_at=datetime(2026, 11, 23, 19, tzinfo=UTC),
        own_name="Parley",
    )


@pytest.mark.parametrize(
    ("content", "text", "mentions_bot"),
    [
        ("<@42> hello", "hello", True),
        ("<@!42> hello", "hello", True),
        ("<@42>, hello", "hello", True),
        ("<@42>: hello", "hello", True),
        ("  <@42>\n<@42>\nhello", "hello", True),
        ("hello <@42>", "hello", True),
        ("hello, <@42>", "hello", True),
        ("hello,, <@42> <@!42>\n<@&77>", "hello,", True),
        ("hello, <@42> <@43>", "hello, @Parley @someone", True),
        ("hello <@42> there", "hello @Parley there", True),
        ("hello <@42>?", "hello @Parley?", True),
        ("<@42>", "", True),
        ("<@42>\n- one\n- two", "- one\n- two", True),
        ("<@&77> hello", "hello", True),
        ("so <@&77> it is", "so @Parley it is", True),
        ("`<@42>` is how", "`@Parley` is how", False),
        ("<@420> hello", "@someone hello", False),
        ("hello", "hello", False),
        ("", "", False),
    ],
)
def test_the_bots_own_mention(content: str, text: str, mentions_bot: bool) -> None:
    message = parsed(content=content)
    assert (message.text, message.mentions_bot) == (text, mentions_bot)


def test_the_bots_role_counts_also_where_the_content_is_withheld() -> None:
    assert parsed(content="", mention_roles=["77"]).mentions_bot


def test_people_roles_and_channels_are_named() -> None:
    bob = {**mention("9", "bob"), "global_name": "Bob B.", "member": {"nick": "Bobby"}}
    carl = {**mention("10", "carl"), "global_name": "Carl C."}
    message = parsed(content="<@9> <@10> <@&99> <#5>", mentions=[bob, carl])
    assert message.text == "@Bobby @Carl C. @crew #general"


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({}, False),
        ({"content": "<@9> hi"}, True),
        ({"mentions": [mention("9")]}, True),
        ({"mentions": [mention(BOT)]}, False),
        ({"mention_everyone": True}, True),
        ({"mention_roles": ["99"]}, True),
        ({"content": "<@42> and <@9>"}, False),
    ],
)
def test_whether_a_message_addresses_others(changes: dict[str, Any], others: bool) -> None:
    assert parsed(**changes).mentions_others is others


@pytest.mark.parametrize(
    ("changes", "address", "direct"),
    [
        ({}, Address("discord", "6", "5"), False),
        ({"guild_id": None}, Address("discord", "", "5"), True),
        ({"channel_id": 5}, Address("discord", "6", "5"), False),
    ],
)
def test_where_a_message_is(changes: dict[str, Any], address: Address, direct: bool) -> None:
    message = parsed(**changes)
    assert (message.address, message.direct) == (address, direct)


@pytest.mark.parametrize("guild", ["notanid", "", 0, -6, "9" * 30, {}, False])
def test_a_guild_that_cannot_be_read_makes_no_direct_message(guild: Any) -> None:
    assert parse_message(payload(guild_id=guild), AROUND) is None
    assert parse_deletions({"id": "1", "channel_id": "5", "guild_id": guild}, None) == ()


def test_a_thread_has_its_parent_as_channel_but_a_direct_message_never() -> None:
    around = Surroundings(BOT, "Parley", parent="3")
    assert parsed(around).address == Address("discord", "6", "3", "5")
    assert parsed(around, guild_id=None).address == Address("discord", "", "5")


@pytest.mark.parametrize(
    ("user", "member", "author"),
    [
        (ADA, {"nick": "Ada"}, Author("8", "Ada")),
        (ADA, {"nick": None}, Author("8", "Ada L.")),
        ({"id": "8", "username": "ada"}, None, Author("8", "ada")),
        ({"id": "8"}, [], Author("8", "")),
        ({**ADA, "bot": True}, None, Author("8", "Ada L.", is_bot=True)),
        ({**ADA, "system": True}, None, Author("8", "Ada L.", is_bot=True)),
        (ADA, {"roles": ["88"]}, Author("8", "Ada L.", is_admin=True, runs_workspace=True, roles=frozenset({"88"}))),
        (ADA, {"roles": ["55"]}, Author("8", "Ada L.", is_admin=True, roles=frozenset({"55"}))),
        (ADA, {"roles": ["99", None]}, Author("8", "Ada L.", roles=frozenset({"99"}))),
        (ADA, {"roles": "99"}, Author("8", "Ada L.")),
        ({**ADA, "id": "7"}, {"roles": []}, Author("7", "Ada L.", is_admin=True, roles=frozenset())),
        (ADA, {"permissions": "8"}, Author("8", "Ada L.", is_admin=True, runs_workspace=True)),
        (ADA, {"permissions": "32"}, Author("8", "Ada L.", is_admin=True, runs_workspace=True)),
        (ADA, {"permissions": "16"}, Author("8", "Ada L.", is_admin=True)),
        (ADA, {"permissions": "1024"}, Author("8", "Ada L.")),
        (ADA, {"permissions": "٣٢"}, Author("8", "Ada L.")),
        (ADA, {"permissions": "8" * 5000}, Author("8", "Ada L.")),
        ({**ADA, "id": "1"}, None, Author("1", "Ada L.", is_admin=True, runs_workspace=True)),
    ],
)
def test_who_wrote(user: dict[str, Any], member: Any, author: Author) -> None:
    assert parsed(author=user, member=member).author == author


def test_a_webhook_is_a_bot_and_in_a_direct_message_nobody_is_an_admin() -> None:
    assert parsed(webhook_id="7").author.is_bot
    author = parsed(guild_id=None, author={**ADA, "id": "1"}, member={"permissions": "8"}).author
    assert (author.is_admin, author.runs_workspace) == (False, False)


def test_a_guild_whose_everyone_may_run_it_has_only_admins() -> None:
    around = Surroundings(BOT, "Parley", granted={"6": 1 << 5})
    assert parsed(around).author.is_admin
    assert parsed(around).author.runs_workspace


@pytest.mark.parametrize("allowed", [1 << 3, 1 << 4, 1 << 5, 1 << 3 | 1 << 4 | 1 << 5])
def test_no_overwrite_of_a_channel_lets_anybody_run_the_guild(allowed: int) -> None:
    around = Surroundings(BOT, "Parley", granted={"6": 0}, overwrites={"8": Overwrite(allow=allowed)})
    author = parsed(around, member={"roles": []}).author
    assert (author.is_admin, author.runs_workspace) == (bool(allowed & 1 << 4), False)


def test_a_role_that_manages_channels_runs_them_but_not_the_guild() -> None:
    around = Surroundings(BOT, "Parley", granted={"2": 1 << 4}, overwrites={})
    author = parsed(around, member={"roles": ["2"]}).author
    assert (author.is_admin, author.runs_workspace) == (True, False)


MANAGE = 1 << 4


@pytest.mark.parametrize(
    ("granted", "overwrites", "runs"),
    [
        ({"6": MANAGE}, {}, True),
        ({"2": MANAGE}, {}, True),
        ({"9": MANAGE}, {}, False),
        ({"2": MANAGE}, None, False),
        ({"2": 1 << 3}, None, True),
        ({"2": 1 << 3}, {"8": Overwrite(deny=1 << 3 | MANAGE)}, True),
        ({"2": MANAGE}, {"6": Overwrite(deny=MANAGE)}, False),
        ({"2": MANAGE}, {"6": Overwrite(deny=MANAGE), "2": Overwrite(allow=MANAGE)}, True),
        ({}, {"2": Overwrite(allow=MANAGE), "3": Overwrite(deny=MANAGE)}, True),
        ({}, {"2": Overwrite(allow=MANAGE), "8": Overwrite(deny=MANAGE)}, False),
        ({}, {"6": Overwrite(deny=MANAGE), "8": Overwrite(allow=MANAGE)}, True),
        ({}, {"9": Overwrite(allow=MANAGE)}, False),
        ({}, {"8": Overwrite(allow=1 << 3 | 1 << 5)}, False),
    ],
)
def test_a_channel_is_run_by_whom_roles_and_overwrites_let_manage_it(granted: Any, overwrites: Any, runs: bool) -> None:
    assert runs_channel("8", "6", ["2", "3"], granted, overwrites) is runs


REFERENCE = {"type": 0, "channel_id": "5", "guild_id": "6", "message_id": "100"}
ORIGINAL = {"id": "100", "author": {"id": BOT, "username": "Parley", "bot": True}, "content": "said <@8>"}


@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        (
            {"referenced_message": {**ORIGINAL, "mentions": [ADA]}},
            Quoted("100", Author(BOT, "Parley", is_bot=True), "said @Ada L.", by_us=True),
        ),
        ({"referenced_message": {**ORIGINAL, "author": ADA}}, Quoted("100", Author("8", "Ada L."), "said @someone")),
        ({"referenced_message": {**ORIGINAL, "author": ADA, "content": ""}}, Quoted("100", Author("8", "Ada L."))),
        ({"referenced_message": {}}, Quoted("100")),
        ({"referenced_message": None}, Quoted("100")),
        ({}, Quoted("100")),
        ({"mentions": [mention(BOT)]}, Quoted("100", by_us=True)),
        ({"mentions": [mention(BOT)], "content": "<@42> hi"}, Quoted("100")),
        ({"message_reference": {**REFERENCE, "type": 1}}, None),
        ({"message_reference": {**REFERENCE, "channel_id": "50"}}, None),
        ({"message_reference": {"message_id": "100"}}, Quoted("100")),
        ({"message_reference": {"message_id": None}}, None),
        ({"message_reference": "100"}, None),
    ],
)
def test_what_a_message_replies_to(changes: dict[str, Any], quoted: Quoted | None) -> None:
    message = parsed(**{"type": 19, "message_reference": REFERENCE, **changes})
    assert message.quoted == quoted


def test_a_forward_is_a_quotation_with_its_files() -> None:
    file = {"filename": "a.png", "size": 3, "url": "https://cdn.example/a.png"}
    snapshot = {"message": {"content": "one\ntwo", "attachments": [file]}}
    reference = {**REFERENCE, "type": 1}
    message = parsed(content="look", message_reference=reference, message_snapshots=[snapshot, {}, {"message": {}}])
    assert message.text == "look"
    assert message.carried == "Forwarded message:\n> one\n> two"
    assert message.quoted is None
    assert message.attachments == (Attachment("a.png", "image/png", 3, "https://cdn.example/a.png"),)
    assert parsed(content="", message_snapshots=[snapshot]).whole_text == "Forwarded message:\n> one\n> two"


def test_a_forward_names_whom_it_mentions_and_never_an_id() -> None:
    said = {"content": "<@8> <@9> <#5> <#55> <:party:123456> <t:0:R>", "mentions": [ADA]}
    carried = parsed(content="", message_snapshots=[{"message": said}]).carried
    assert carried == "Forwarded message:\n> @Ada L. @someone #general #channel :party: 1970-01-01 00:00 UTC"


def test_in_a_thread_a_reply_says_which_message_it_means() -> None:
    original = {"id": "100", "author": ADA, "content": "one\ntwo"}
    reply: dict[str, Any] = {"type": 19, "message_reference": REFERENCE, "referenced_message": original}
    here = replace(AROUND, parent="4")
    message = parse_message(payload(**reply), here)
    assert message is not None and message.carried == "In reply to Ada L.:\n> one\n> two"
    long = parse_message(payload(**reply | {"referenced_message": original | {"content": "x" * 400}}), here)
    assert long is not None and long.carried == f"In reply to Ada L.:\n> {'x' * 300}…"
    assert parsed(**reply).carried == "", "a chain of replies in a channel is read as a whole"


def test_what_another_application_says_in_embeds_is_read_with_its_text() -> None:
    embeds = [
        {"type": "rich", "title": "Build 7", "description": "red", "fields": [{"name": "Branch", "value": "main"}]},
        {"type": "link", "title": "a preview"},
    ]
    robot = {"id": "70", "username": "ci", "bot": True}
    assert parsed(author=robot, member=None, content="", embeds=embeds).text == "Build 7\nred\nBranch: main"
    assert parsed(content="hi", embeds=embeds).text == "hi"


@pytest.mark.parametrize(
    ("file", "attachment"),
    [
        (
            {"filename": "a.txt", "content_type": "text/plain; charset=utf-8", "size": 3, "url": "u"},
            Attachment("a.txt", "text/plain", 3, "u"),
        ),
        ({"filename": "a.json"}, Attachment("a.json", "application/json", 0, "")),
        ({"filename": None, "size": "3"}, Attachment("", "application/octet-stream", 0, "")),
    ],
)
def test_attachments(file: dict[str, Any], attachment: Attachment) -> None:
    assert parsed(attachments=[file, None]).attachments == (attachment,)


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        ("2026-11-23T19:00:00+02:00", datetime(2026, 11, 23, 17, tzinfo=UTC)),
        ("2026-11-23T19:00:00Z", datetime(2026, 11, 23, 19, tzinfo=UTC)),
        ("2026-11-23T19:00:00", datetime(2026, 11, 23, 19, tzinfo=UTC)),
        (None, datetime.fromtimestamp(((1574500000000000000 >> 22) + 1420070400000) / 1000, UTC)),
    ],
)
def test_when_a_message_was_sent(timestamp: str | None, moment: datetime) -> None:
    assert parsed(timestamp=timestamp).sent_at == moment


@pytest.mark.parametrize("kind", [1, 6, 7, 8, 18, 21, 46, "0", None, []])
def test_notices_are_no_speech(kind: Any) -> None:
    if kind == []:
        kind = 24
    assert parse_message(payload(type=kind), AROUND) is None


@pytest.mark.parametrize(
    "changes",
    [{"id": "x"}, {"id": None}, {"author": None}, {"author": {}}, {"channel_id": ""}, {"channel_id": "5" * 21}],
)
def test_what_lacks_its_identity_is_nothing(changes: dict[str, Any]) -> None:
    assert parse_message(payload(**changes), AROUND) is None
    assert parse_edit(payload(edited_timestamp="2026-11-23T19:00:01Z", **changes), AROUND) is None


def test_an_edit_needs_an_editor_and_a_wording() -> None:
    edited = payload(edited_timestamp="2026-11-23T19:00:01Z", content="new")
    found = parse_edit(edited, AROUND)
    assert found is not None
    assert (found.message.text, found.message.edited) == ("new", True)
    assert found.message.edited_at == datetime(2026, 11, 23, 19, 0, 1, tzinfo=UTC)
    assert parse_edit(payload(), AROUND) is None
    del edited["content"]
    assert parse_edit(edited, AROUND) is None
    assert parse_edit(None, AROUND) is None


@pytest.mark.parametrize(
    ("event", "ids"),
    [
        ({"id": "7"}, ["7"]),
        ({"ids": ["7", "8", None]}, ["7", "8"]),
        ({"ids": "7"}, []),
        ({"id": "7", "channel_id": None}, []),
        ([], []),
    ],
)
def test_deletions(event: Any, ids: list[str]) -> None:
    if isinstance(event, dict):
        event = {"channel_id": "5", "guild_id": "6", **event}
    assert parse_deletions(event, "3") == tuple(MessageDeleted(Address("discord", "6", "3", "5"), n) for n in ids)


def test_a_threads_starter_is_the_message_it_points_to() -> None:
    around = Surroundings(BOT, "Parley", parent="3")
    original = payload(id="100", channel_id="3", content="the plan")
    found = parse_history_entry(payload(type=21, referenced_message=original), around)
    assert found is not None
    assert (found.id, found.text, found.address) == ("100", "the plan", Address("discord", "6", "3", "5"))
    assert parse_history_entry(payload(type=21, referenced_message=None), around) is None
    assert parse_history_entry(payload(), around) == parsed(around)
    assert parse_history_entry(None, around) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        *(("7", "7"), (7, "7"), ("", ""), ("x", ""), ("-7", ""), ("٧", ""), (True, ""), (None, ""), (1 << 64, "")),
        *((0, ""), (-7, ""), (7.0, ""), ([], ""), ("9" * 21, "")),
    ],
)
def test_an_identifier_is_digits_or_nothing(value: Any, found: str) -> None:
    assert identifier(value) == found


def test_channels_are_looked_for_in_the_message_and_what_it_replies_to() -> None:
    replied = payload(content="<#5>", referenced_message=payload(content="<#7> <#x>"))
    assert mentioned_channels(replied) == {"5", "7"}
    assert mentioned_channels(None) == set()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = [
    *("id", "channel_id", "guild_id", "type", "author", "member", "content", "timestamp", "edited_timestamp"),
    *("mentions", "mention_roles", "mention_everyone", "attachments", "message_reference", "referenced_message"),
    *("message_snapshots", "webhook_id", "ids", "data", "token", "channel", "user", "application_id"),
]
spoiled = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6)


@given(json_values | st.builds(lambda changes: payload(**changes), spoiled))
def test_no_json_makes_parsing_raise(anything: Any) -> None:
    parse_message(anything, AROUND)
    parse_history_entry(anything, AROUND)
    parse_edit(anything, AROUND)
    parse_deletions(anything, "3")
    parse_interaction(anything, (), AROUND)
    reply_target(anything)
    mentioned_channels(anything)


@given(
    st.builds(
        lambda changes, data: {**payload(type=2, token="t", data={"name": "parley", "options": data}), **changes},
        spoiled,
        json_values,
    )
)
def test_no_interaction_makes_parsing_raise(anything: Any) -> None:
    parse_interaction(anything, (), AROUND)


@given(st.text(max_size=200))
def test_a_messages_text_is_kept_whatever_it_says(content: str) -> None:
    message = parsed(content=content)
    assert message.address == Address("discord", "6", "5")
    if "<" not in content:
        assert message.text == content


@pytest.mark.parametrize("gap", [" ", "\n", " \n", "\t", "<@42>", ", "])
def test_a_long_gap_in_a_message_is_read_in_no_time(gap: str) -> None:
    long = f"x{gap * (20_000 // len(gap))}x"
    began = time.process_time()
    parsed(content=long)
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize("size", [-1, 2**53, 2**70, "7", None, []])
def test_a_size_that_is_none_is_zero(size: Any) -> None:
    (file,) = parsed(attachments=[{"filename": "a.txt", "size": size, "url": "https://example.com/a.txt"}]).attachments
    assert file.size == 0
