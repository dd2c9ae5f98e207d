"""Payloads to messages, without a wire: tables of what Slack sends, and any JSON at all."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack.bolt import build_app, dispatch
from adapters.slack.parsing import Identity, channels_in, parse_event, parse_row, people_in
from adapters.slack.people import Person, read_person
from adapters.slack.values import clean
from adapters.slack.web import web_client
from bot.messages import Address, Attachment, Author, IncomingMessage, MessageDeleted, MessageEdited
from tests.slack.stage import KeepingHands

ME = Identity("UBOT", "BBOT", "Parley", "T1", "Acme")
PEOPLE = {"U1": Person("Ada", is_admin=True), "U2": Person("Bob")}


def event(**fields: Any) -> dict[str, Any]:
    base = {"type": "message", "channel": "C1", "channel_type": "channel", "ts": "1700000000.000100", "user": "U1"}
    return {"type": "event_callback", "team_id": "T1", "event": base | {"text": "hi"} | fields}


def parsed(**fields: Any) -> IncomingMessage:
    message = parse_event(event(**fields), ME, PEOPLE)
    assert isinstance(message, IncomingMessage)
    return message


@pytest.mark.parametrize(
    ("fields", "thread", "direct"),
    [
        ({}, "1700000000.000100", False),
        ({"thread_ts": "1600000000.000100"}, "1600000000.000100", False),
        ({"thread_ts": None}, "1700000000.000100", False),
        ({"thread_ts": 5}, "1700000000.000100", False),
        ({"channel": "G1", "channel_type": "mpim"}, "1700000000.000100", False),
        ({"channel": "D1", "channel_type": "im"}, None, True),
        ({"channel": "D1", "channel_type": "im", "thread_ts": "1600000000.000100"}, "1600000000.000100", True),
        ({"type": "app_mention", "channel": "D1", "channel_type": None}, None, True),
    ],
)
def test_a_channel_post_opens_a_thread_and_a_direct_message_does_not(
    fields: dict[str, Any], thread: str | None, direct: bool
) -> None:
    message = parsed(**fields)
    assert message.address == Address("slack", "T1", fields.get("channel", "C1"), thread)
    assert message.direct is direct


@pytest.mark.parametrize(
    ("payload_fields", "event_fields"),
    [
        ({}, {"team": "TOTHER", "user_team": "E1"}),
        ({"team_id": "E1", "enterprise_id": "E1"}, {}),
        ({"team_id": "TOTHER", "authorizations": [{"team_id": "T1"}]}, {"source_team": "TOTHER"}),
        ({"team_id": None, "authorizations": None}, {}),
        ({"authorizations": [None]}, {}),
    ],
)
def test_the_workspace_is_that_of_the_bot_whatever_the_event_names(
    payload_fields: dict[str, Any], event_fields: dict[str, Any]
) -> None:
    message = parse_event(event(**event_fields) | payload_fields, ME)
    assert isinstance(message, IncomingMessage)
    assert message.address.workspace == "T1"


@pytest.mark.parametrize(
    ("payload_fields", "workspace"),
    [
        ({"authorizations": [{"team_id": "T2"}]}, "T2"),
        ({"authorizations": []}, "T1"),
        ({"team_id": 5, "authorizations": 5}, "E1"),
    ],
)
def test_an_installation_in_a_whole_organisation_goes_by_the_envelope(
    payload_fields: dict[str, Any], workspace: str
) -> None:
    message = parse_event(event() | payload_fields, Identity("UBOT", team_id="E1"))
    assert isinstance(message, IncomingMessage)
    assert message.address.workspace == workspace


@pytest.mark.parametrize(
    ("text", "shown", "mentions_bot", "mentions_others"),
    [
        ("<@UBOT> hello", "hello", True, False),
        ("<@UBOT>: hello", "hello", True, False),
        ("  <@UBOT>, <@UBOT> hello ", "hello", True, False),
        ("hello <@UBOT>", "hello", True, False),
        ("<@UBOT|parley> hello", "hello", True, False),
        ("<@UBOT>\nhello", "hello", True, False),
        ("<@UBOT>", "", True, False),
        ("hey <@UBOT>, what's up?", "hey @Parley, what's up?", True, False),
        ("<@U2> <@UBOT> both", "@Bob @Parley both", True, False),
        ("<@U2> what do you think?", "@Bob what do you think?", False, True),
        ("<!here> lunch", None, False, True),
        ("<!subteam^S1> lunch", None, False, True),
        ("a &lt;b&gt; &amp; c", None, False, False),
        ("UBOT", "UBOT", False, False),
    ],
)
def test_the_bots_mention_goes_from_the_ends_and_others_are_named(
    text: str, shown: str | None, mentions_bot: bool, mentions_others: bool
) -> None:
    message = parsed(text=text)
    assert (message.mentions_bot, message.mentions_others) == (mentions_bot, mentions_others)
    if shown is not None:
        assert message.text == shown


def test_app_mention_and_message_of_one_post_are_the_same_message() -> None:
    text = "<@UBOT> hello"
    assert parsed(text=text) == parsed(text=text, type="app_mention", channel_type=None, team="T9")


def test_an_app_mention_is_a_mention_even_if_the_text_does_not_show_it() -> None:
    assert parsed(type="app_mention", text="hello").mentions_bot


RICH = [
    {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [{"type": "user", "user_id": "UBOT"}, {"type": "text", "text": " hello"}],
            }
        ],
    }
]


def test_text_and_mention_may_live_in_the_blocks_alone() -> None:
    message = parsed(text="", blocks=RICH)
    assert message.mentions_bot
    assert message.text == "hello"
    assert parsed(text=None, blocks=RICH) == message
    assert parsed(text="hello", blocks=RICH).mentions_bot


def test_text_may_live_in_the_attachments_alone() -> None:
    assert "disk is full" in parsed(text="", attachments=[{"text": "disk is full", "fallback": "disk is full"}]).text


@pytest.mark.parametrize("subtype", [None, "file_share", "thread_broadcast", "me_message"])
def test_what_people_say_is_speech(subtype: str | None) -> None:
    assert parsed(subtype=subtype).author == Author("U1", "Ada", is_admin=True, runs_workspace=True)


@pytest.mark.parametrize(
    "subtype", ["channel_join", "channel_topic", "pinned_item", "message_replied", "assistant_app_thread", "", 5, {}]
)
def test_what_the_platform_notes_is_no_speech(subtype: Any) -> None:
    assert parse_event(event(subtype=subtype), ME) is None


@pytest.mark.parametrize(
    ("fields", "author"),
    [
        ({"user": "U9"}, Author("U9", "")),
        ({"user": "U9", "user_profile": {"display_name": "Nina"}}, Author("U9", "Nina")),
        ({"user": "UBOT", "bot_id": "BBOT"}, Author("UBOT", "Parley", is_bot=True)),
        ({"user": None, "bot_id": "BBOT", "subtype": "bot_message"}, Author("UBOT", "Parley", is_bot=True)),
        ({"bot_id": "B9"}, Author("U1", "", is_bot=True)),
        ({"user": None, "bot_id": "B9", "username": "Deploys"}, Author("B9", "Deploys", is_bot=True)),
        ({"user": "U8", "bot_id": "B9", "bot_profile": {"name": "Jenkins"}}, Author("U8", "Jenkins", is_bot=True)),
        ({"user": "USLACKBOT"}, Author("USLACKBOT", "Slackbot", is_bot=True)),
    ],
)
def test_the_author_is_told_with_what_is_known(fields: dict[str, Any], author: Author) -> None:
    assert parsed(**fields).author == author


@pytest.mark.parametrize(
    "fields",
    [
        {"user": None},
        {"user": ""},
        {"user": None, "subtype": "bot_message"},
        {"ts": None},
        {"ts": "now"},
        {"ts": "99999999999.000100"},
        {"channel": None},
        {"channel": "C 1"},
        {"channel": ""},
        {"type": "reaction_added"},
        {"type": None},
    ],
)
def test_without_author_place_or_time_there_is_no_message(fields: dict[str, Any]) -> None:
    assert parse_event(event(**fields), ME) is None


def test_files_come_along_and_those_that_cannot_be_had_with_the_reason() -> None:
    files: list[Any] = [
        {"name": "a.txt", "mimetype": "text/plain", "size": 3, "url_private": "u1", "url_private_download": "u2"},
        {"title": "b", "url_private": "u3", "size": "big"},
        {"url_private": "u4", "size": True, "name": None, "mimetype": 5},
        {"id": "F1", "mode": "hidden_by_limit"},
        {"id": "F2", "mode": "tombstone"},
        {"id": "F3", "mode": "file_access", "file_access": "file_not_found", "created": 0, "timestamp": 0, "user": ""},
        {"id": "F4", "mode": "file_access", "file_access": "access_denied", "created": 0, "timestamp": 0, "user": ""},
        {"id": "F5", "mode": "file_access", "file_access": "check_file_info", "created": 0, "timestamp": 0, "user": ""},
        {"id": ["F6"], "mode": [], "file_access": "check_file_info"},
        {"name": "odd", "mode": "new"},
        {},
        None,
    ]
    assert parsed(files=files, subtype="file_share").attachments == (
        Attachment("a.txt", "text/plain", 3, "u2"),
        Attachment("b", "application/octet-stream", 0, "u3"),
        Attachment("file", "application/octet-stream", 0, "u4"),
        Attachment("file", "application/octet-stream", 0, "", "hidden"),
        Attachment("file", "application/octet-stream", 0, "", "deleted"),
        Attachment("file", "application/octet-stream", 0, "", "deleted"),
        Attachment("file", "application/octet-stream", 0, "", "closed"),
        Attachment("file", "application/octet-stream", 0, "", "untold", "F5"),
        Attachment("file", "application/octet-stream", 0, "", "closed"),
        Attachment("odd", "application/octet-stream", 0, "", "closed"),
    )


def changed(message: dict[str, Any], before: dict[str, Any] | None, **fields: Any) -> Any:
    inner = {"type": "message", "ts": "1700000000.000100", "user": "U1", "text": "new"} | message
    previous = None if before is None else {"ts": "1700000000.000100", "user": "U1", "text": "old"} | before
    return parse_event(
        event(subtype="message_changed", ts="1700000009.000100", message=inner, previous_message=previous, **fields),
        ME,
        PEOPLE,
    )


@pytest.mark.parametrize(
    ("said", "told", "moment"),
    [
        ("1700000009.000000", "1700000009.250000", 1700000009.25),  # Slack says it to the second
        ("1700000009.000000", "1700000011.500000", 1700000009.999999),  # told late, of an edit in that second
        ("1700000009.500000", "1700000009.250000", 1700000009.5),
        ("1700000009.000000", None, 1700000009.0001),  # the event's own ts
        (None, "1700000009.250000", 1700000009.25),
        ("nonsense", "1700000009.250000", 1700000009.25),
    ],
)
def test_edits_within_one_second_are_put_in_the_order_in_which_slack_told_of_them(
    said: str | None, told: str | None, moment: float
) -> None:
    edit = changed({} if said is None else {"edited": {"user": "U1", "ts": said}}, {}, event_ts=told)
    assert isinstance(edit, MessageEdited)
    assert edit.message.edited
    assert edit.message.edited_at == datetime.fromtimestamp(moment, UTC)


def test_a_row_of_history_says_when_it_was_edited() -> None:
    row = {"type": "message", "ts": "1700000000.000100", "user": "U1", "text": "hi"}
    place = Address("slack", "T1", "C1")
    never, once = (parse_row(row | more, place, ME) for more in ({}, {"edited": {"ts": "1700000009.000000"}}))
    assert never is not None and never.edited_at is None
    assert once is not None and once.edited_at == datetime.fromtimestamp(1700000009, UTC)


def test_an_edit_is_the_message_as_it_now_is() -> None:
    edit = changed({"edited": {"user": "U1", "ts": "1700000009.0001"}, "thread_ts": "1600000000.000100"}, {})
    assert isinstance(edit, MessageEdited)
    assert edit.message.id == "1700000000.000100"
    assert edit.message.address.thread == "1600000000.000100"
    assert (edit.message.text, edit.message.edited) == ("new", True)


@pytest.mark.parametrize(
    ("message", "before"),
    [
        ({"text": "old", "attachments": [{"from_url": "https://example.org"}]}, {}),
        ({"text": "old"}, {}),
        ({"bot_id": "B9"}, {}),
        ({"user": "UBOT", "bot_id": "BBOT"}, {}),
        ({"subtype": "channel_join"}, {}),
        ({}, None),
        ({"ts": None}, {}),
    ],
)
def test_what_changes_without_a_person_changing_the_words_is_no_edit(
    message: dict[str, Any], before: dict[str, Any] | None
) -> None:
    assert changed(message, before) is None


def test_an_edit_without_the_earlier_wording_counts_where_it_is_marked_as_one() -> None:
    assert isinstance(changed({"edited": {"user": "U1"}}, None), MessageEdited)


def test_other_files_are_an_edit_too() -> None:
    assert isinstance(changed({"text": "old", "files": [{"url_private": "u"}]}, {}), MessageEdited)


def test_a_deletion_names_the_message_and_its_thread() -> None:
    fields: dict[str, Any] = {"subtype": "message_deleted", "deleted_ts": "1700000000.000100", "ts": "1700000009.1"}
    assert parse_event(event(**fields), ME) == MessageDeleted(
        Address("slack", "T1", "C1", "1700000000.000100"), "1700000000.000100"
    )
    within = event(**fields, previous_message={"thread_ts": "1600000000.000100"})
    assert parse_event(within, ME) == MessageDeleted(
        Address("slack", "T1", "C1", "1600000000.000100"), "1700000000.000100"
    )
    assert parse_event(event(**fields, channel="D1"), ME) == MessageDeleted(
        Address("slack", "T1", "D1", None), "1700000000.000100"
    )


def test_a_tombstone_is_a_deletion() -> None:
    gone = changed({"subtype": "tombstone", "user": "USLACKBOT"}, {"thread_ts": "1700000000.000100"})
    assert gone == MessageDeleted(Address("slack", "T1", "C1", "1700000000.000100"), "1700000000.000100")


def test_the_people_to_look_up_are_the_author_and_the_mentioned() -> None:
    assert people_in(event(text="<@UBOT> ask <@U2> and <@U1>"), ME) == ("U1", "U2")
    assert people_in({"user": "U1", "text": "<@U3>"}, ME) == ("U1", "U3")
    assert people_in(event(subtype="message_changed", message={"user": "U2", "text": "<@U4>"}), ME) == ("U2", "U4")
    assert people_in(event(user="USLACKBOT"), ME) == ()
    assert people_in(None, ME) == ()


@pytest.mark.parametrize(
    ("user", "person"),
    [
        ({"profile": {"display_name": "ada", "real_name": "Ada L."}, "name": "al"}, Person("ada")),
        ({"profile": {"display_name": " ", "real_name": "Ada L."}, "name": "al"}, Person("Ada L.")),
        (
            {"real_name": "Ada L.", "name": "al", "is_owner": True},
            Person("Ada L.", is_admin=True, roles=frozenset({"owner", "member"})),
        ),
        (
            {"name": "al", "is_admin": True, "is_owner": False},
            Person("al", is_admin=True, roles=frozenset({"admin", "member"})),
        ),
        ({"name": "al", "is_restricted": True, "is_admin": False}, Person("al", roles=frozenset({"guest"}))),
        ({"name": "al", "is_ultra_restricted": True}, Person("al", roles=frozenset({"guest"}))),
        ({"name": "al", "is_stranger": True}, Person("al", roles=frozenset({"guest"}))),
        ({"name": "al", "is_admin": False, "is_restricted": False}, Person("al", roles=frozenset({"member"}))),
        ({"name": "robot", "is_bot": True}, Person("robot", is_bot=True)),
        ({"profile": None, "name": 5}, None),
        (None, None),
    ],
)
def test_a_person_is_called_by_the_display_name_first_and_has_the_roles_slack_tells_of(
    user: Any, person: Person | None
) -> None:
    assert read_person(user, "T1") == person


ADMIN = {"name": "al", "is_admin": True, "is_owner": True}
ALL_RIGHTS = Person("al", is_admin=True, roles=frozenset({"owner", "admin", "member"}))
OUTSIDER = Person("al", roles=frozenset({"guest"}))


@pytest.mark.parametrize(
    ("user", "person"),
    [
        ({"team_id": "T1"}, ALL_RIGHTS),
        ({"team_id": "T2"}, OUTSIDER),
        ({"team_id": "T2", "is_stranger": False}, OUTSIDER),
        ({"team_id": "T1", "is_stranger": True}, OUTSIDER),
        ({"team_id": "T2", "enterprise_user": {"teams": ["T3", "T1"]}}, ALL_RIGHTS),
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E1", "teams": ["T2", "T3"]}}, OUTSIDER),
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E1", "teams": "T1"}}, OUTSIDER),
        ({"team_id": "T2", "enterprise_user": []}, OUTSIDER),
    ],
)
def test_who_is_of_another_workspace_is_a_guest_whatever_they_are_at_home(user: Any, person: Person) -> None:
    assert read_person({**ADMIN, **user}, "T1") == person


def test_where_the_bots_own_workspace_is_not_known_nobody_of_any_is_an_admin() -> None:
    assert read_person({**ADMIN, "team_id": "T1"}, "") == OUTSIDER


def test_an_app_of_a_whole_enterprise_knows_its_people_by_the_enterprise() -> None:
    user = {**ADMIN, "team_id": "T2", "enterprise_user": {"enterprise_id": "E1", "teams": ["T2"]}}
    assert read_person(user, "E1") == ALL_RIGHTS
    assert read_person(user, "E2") == OUTSIDER


def test_an_admin_of_a_workspace_runs_the_whole_of_it() -> None:
    assert ALL_RIGHTS.as_author("U1").runs_workspace
    assert not OUTSIDER.as_author("U1").runs_workspace


def test_what_no_database_takes_is_taken_out_of_strings() -> None:
    assert clean("a\0b") == "ab"
    assert clean("\ud83d\ude00 \ud83d") == "\N{GRINNING FACE} \N{REPLACEMENT CHARACTER}"
    assert clean("plain") == "plain"
    assert clean(5) == ""
    parsed(text="half \ud83d").text.encode()


SHARE = {
    "ts": "1600000000.000100",
    "author_id": "U2",
    "author_name": "Robert",
    "channel_id": "C9",
    "is_msg_unfurl": True,
    "is_share": True,
    "text": "ask <@U1> in <#C7>\nnot <@U9>",
    "fallback": "[September 13th, 2020 5:26 AM] robert: ask",
    "from_url": "https://acme.slack.com/archives/C9/p1600000000000100",
}


def test_a_forwarded_message_is_told_with_whose_it_is_and_with_names() -> None:
    message = parse_event(event(text="<@UBOT> and this?", attachments=[SHARE]), ME, PEOPLE, {"C7": "random"})
    assert isinstance(message, IncomingMessage)
    assert message.text == "and this?"
    assert message.carried == "Forwarded from Bob:\n> ask @Ada in #random\n> not @someone"


@pytest.mark.parametrize(
    ("changes", "carried"),
    [
        ({"is_share": None}, "Quoted from Bob:\n> x"),
        ({"author_id": None}, "Forwarded from Robert:\n> x"),
        ({"author_id": "U9", "author_name": None}, "Forwarded from someone:\n> x"),
        ({"channel_name": "general"}, "Forwarded from Bob in #general:\n> x"),
        ({"is_share": None, "is_msg_unfurl": None}, ""),
        ({"text": "", "fallback": ""}, ""),
        ({"text": 5, "message_blocks": [{"message": {"blocks": [{"type": "markdown", "text": "x"}]}}]},
         "Forwarded from Bob:\n> x"),
    ],
)  # fmt: skip
def test_what_is_quoted_is_told_as_far_as_slack_says(changes: dict[str, Any], carried: str) -> None:
    assert parsed(attachments=[SHARE | {"text": "x"} | changes]).carried == carried


def test_a_message_that_is_nothing_but_a_forward_says_nothing_itself() -> None:
    message = parsed(text="", blocks=None, attachments=[SHARE | {"text": "<@UBOT> look"}])
    assert (message.text, message.mentions_bot) == ("", False)
    assert message.whole_text == "Forwarded from Bob:\n> @Parley look"


def test_files_of_a_forwarded_message_come_along() -> None:
    file = {"name": "a.png", "mimetype": "image/png", "size": 3, "url_private": "https://files.slack.com/a.png"}
    assert [a.name for a in parsed(attachments=[SHARE | {"files": [file]}]).attachments] == ["a.png"]


def test_whom_a_quotation_names_is_looked_up() -> None:
    assert people_in(event(text="hi", attachments=[SHARE]), ME) == ("U1", "U2", "U9")
    assert channels_in(event(text="see <#C5> and <#C6|general>", attachments=[SHARE])) == ("C5", "C7")


def test_a_link_to_a_message_that_begins_to_show_it_is_an_edit() -> None:
    before = {"user": "U1", "ts": "1700000000.000100", "text": "see this"}
    changed = {"subtype": "message_changed", "message": before | {"attachments": [SHARE]}, "previous_message": before}
    made = parse_event(event(**changed), ME, PEOPLE)
    assert isinstance(made, MessageEdited) and made.message.carried.startswith("Forwarded from Bob:")


def test_what_another_application_says_in_attachments_is_read_with_its_text() -> None:
    alert = {"title": "Build 7", "text": "3 tests failed"}
    preview = {"from_url": "https://ci.example", "title": "CI"}
    made = parsed(bot_id="B9", user=None, text="The build is red", attachments=[alert, preview])
    assert made.text == "The build is red\nBuild 7\n3 tests failed"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    "type", "subtype", "channel", "channel_type", "ts", "thread_ts", "user", "bot_id", "text", "blocks", "attachments",
    "files", "message", "previous_message", "deleted_ts", "edited", "username", "bot_profile", "user_profile", "team",
)  # fmt: skip
WORDS = (
    "message", "app_mention", "message_changed", "message_deleted", "tombstone", "bot_message", "C1", "D1", "U1",
    "UBOT", "1700000000.000100", "<@UBOT> hi", "<@", "im", "\ud800", "\0",
)  # fmt: skip
VALUES = JSON | st.sampled_from(WORDS)
LIKELY = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=12)
NESTED = st.builds(
    lambda outer, inner, previous: outer | {"message": inner, "previous_message": previous}, LIKELY, LIKELY, LIKELY
)


@settings(max_examples=200, deadline=None)
@given(
    st.builds(
        lambda outer, inner: {**outer, "event": inner},
        st.dictionaries(st.sampled_from(["team_id", "authorizations", "enterprise_id"]), VALUES),
        JSON | LIKELY | NESTED,
    )
    | JSON
)
def test_no_json_makes_the_parser_raise_and_what_it_makes_can_be_stored(payload: Any) -> None:
    made = parse_event(payload, ME, PEOPLE)
    parse_event(payload, Identity(""), {})
    people_in(payload, ME)
    channels_in(payload)
    parse_row(payload, Address("slack", "T1", "C1"), ME)
    parse_row(payload.get("event") if isinstance(payload, dict) else payload, Address("slack", "T1", "D1"), ME)
    if isinstance(made, MessageEdited):
        made = made.message
    if isinstance(made, IncomingMessage):
        for stored in (made.whole_text, made.author.name, *(a.name + a.url for a in made.attachments)):
            assert "\0" not in stored
            stored.encode()


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["envelope_id", "type", "accepts_response_payload"]), VALUES),
    st.dictionaries(
        st.sampled_from(
            ["event", "type", "command", "actions", "team", "authorizations", "view", "user", "response_urls"]
        ),
        VALUES | LIKELY,
    )
    | JSON,
)
def test_no_envelope_makes_the_dispatch_raise_and_all_that_is_stored_is_acknowledged(
    envelope: dict[str, Any], payload: Any
) -> None:
    async def take(_: dict[str, Any]) -> bool:
        return True

    app = build_app(web_client("xoxb-1", "http://127.0.0.1:9/api/", 1.0), ME, take, KeepingHands())
    assert asyncio.run(dispatch(app, take, {**envelope, "payload": payload})) == {}


@pytest.mark.parametrize("gap", [" ", "\n", "\t", "<@UBOT>", "```a```", "<"])
def test_a_long_gap_in_a_message_is_read_in_no_time(gap: str) -> None:
    began = time.process_time()
    parsed(text=f"x{gap * (40_000 // len(gap))}x")
    assert time.process_time() - began < 5.0


def test_only_so_many_people_are_looked_up_for_one_message() -> None:
    named = " ".join(f"<@U{number}>" for number in range(5_000))
    assert people_in(event(text=named), ME) == tuple(f"U{number}" for number in [1, 0, *range(2, 30)])
