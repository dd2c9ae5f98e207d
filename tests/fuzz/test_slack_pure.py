"""Whatever Slack sends is read without an error, into values of the right types, by the parsers alone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.slack import forms, inbound
from adapters.slack.bolt import build_app, dispatch
from adapters.slack.connection import _read_json
from adapters.slack.failures import SlackFault, as_delivery_failure
from adapters.slack.parsing import Identity, is_ours, parse_event, parse_reaction, parse_row, people_in
from adapters.slack.people import Person, read_person
from adapters.slack.rendering import blocks_of, text_of
from adapters.slack.values import clean
from adapters.slack.web import web_client
from bot.command_line import split_command
from bot.errors import DeliveryFailure
from bot.interactions import CommandAnswer
from bot.messages import Address, IncomingMessage, MessageDeleted, MessageEdited
from emulators.slack import SlackWorkspace
from tests.fuzz.budget import count, examples
from tests.fuzz.checks import are_flags, is_count, is_moment, is_storable, is_text
from tests.fuzz.slack_frames import Scene, callbacks, envelopes, interactions, rows
from tests.fuzz.spoiling import JUNK, TEXTS, garbled, spoiled
from tests.slack.stage import KeepingHands

SCENE = Scene.of(SlackWorkspace())
ME = Identity(SCENE.slack.bot.id, "B0PARLEY01", "Parley", SCENE.slack.team_id, "Testers")
PEOPLE = {SCENE.ada.id: Person("Ada", is_admin=True)}
HERE = Address("slack", SCENE.slack.team_id, SCENE.storm.id, "1700000000.000100")
USER = {
    "id": "U1",
    "name": "ada",
    "real_name": "Ada",
    "is_admin": True,
    "is_bot": False,
    "profile": {"display_name": "ada", "real_name": "Ada", "image_24": "https://example.com"},
}


def check_message(message: IncomingMessage) -> None:
    """Every field has the type that it promises."""
    address = message.address
    assert all(is_storable(part) for part in (address.platform, address.workspace, address.channel, message.id))
    assert address.thread is None or is_storable(address.thread)
    assert is_storable(message.author.id) and is_storable(message.author.name) and is_storable(message.text)
    assert is_moment(message.sent_at)
    assert are_flags(message.mentions_bot, message.edited, message.direct, message.mentions_others)
    assert are_flags(message.author.is_bot, message.author.is_admin)
    for file in message.attachments:
        assert is_count(file.size)
        assert all(is_storable(part) for part in (file.name, file.media_type, file.url))


@examples(0.15, quick=150)
@given(callbacks(SCENE) | JUNK)
def test_any_event_is_read(payload: Any) -> None:
    event = parse_event(payload, ME, PEOPLE)
    assert event is None or isinstance(event, IncomingMessage | MessageEdited | MessageDeleted)
    if isinstance(event, IncomingMessage):
        check_message(event)
    elif isinstance(event, MessageEdited):
        check_message(event.message)
    elif event is not None:
        assert is_storable(event.id) and is_storable(event.address.channel)
    reaction = parse_reaction(payload, ME, PEOPLE)
    if reaction is not None:
        assert is_storable(reaction.emoji) and is_storable(reaction.message_id) and is_storable(reaction.author.id)
        assert is_storable(reaction.address.channel)
    people = people_in(payload, ME)
    assert len(people) <= 30 and all(is_storable(user) and len(user) <= 64 for user in people)
    count("Slack events, parsed")


def test_any_envelope_is_dispatched() -> None:
    hands = KeepingHands()

    async def take(payload: dict[str, Any]) -> bool:
        hands.given.append(payload)
        return True

    app = build_app(web_client("xoxb-x", "http://127.0.0.1:1/api/", 1), ME, take, hands)
    with asyncio.Runner() as runner:

        @examples(0.1, quick=80)
        @given(envelopes(SCENE) | garbled(envelopes(SCENE).map(json.dumps)).map(_read_json))
        def dispatched(envelope: Any) -> None:
            hands.given.clear()
            if isinstance(envelope, dict):
                assert runner.run(dispatch(app, take, envelope)) == {}
            assert len(hands.given) <= 1
            count("Slack envelopes, dispatched")

        dispatched()


@examples(0.05, quick=80)
@given(spoiled(interactions(SCENE).map(lambda body: body.get("view"))) | JUNK)
def test_any_view_is_read_and_answered(view: Any) -> None:
    submission = forms.read(view, "T1")
    if submission is not None:
        assert all(is_storable(text) for text in (*submission.values, *submission.values.values()))
        answer = CommandAnswer("x", problems=dict.fromkeys(submission.values, "**wrong**"))
        assert forms.again(submission, answer)["type"] == "modal"
        assert forms.refusal(submission, answer.problems)["response_action"] in ("errors", "update")
    count("Slack views, read")


@examples(0.05, quick=80)
@given(rows(SCENE) | JUNK)
def test_any_row_of_a_history_is_read(row: Any) -> None:
    message = parse_row(row, HERE, ME, PEOPLE)
    assert message is None or isinstance(message, IncomingMessage)
    if message is not None:
        check_message(message)
    assert isinstance(is_ours(row, ME), bool)
    count("Slack history rows, parsed")


@examples(0.03, quick=60)
@given(spoiled(st.just(USER)) | JUNK)
def test_any_person_is_read(user: Any) -> None:
    person = read_person(user, ME.team_id)
    assert person is None or (is_storable(person.name) and person.name)
    count("Slack people, parsed")


@examples(0.05, quick=80)
@given(TEXTS, st.dictionaries(TEXTS, st.sampled_from(["U0ADA", ""]), max_size=2))
def test_any_text_is_translated_both_ways(text: str, names: dict[str, str]) -> None:
    assert isinstance(inbound.to_markdown(clean(text), names), str)
    assert isinstance(inbound.text_of_blocks([{"type": "markdown", "text": text}], [{"text": text}]), str)
    people = {name: user for name, user in names.items() if user}
    assert bool(blocks_of(text[:12_000], people)) == bool(text[:12_000].strip())
    assert len(text_of(text[:12_000], people)) <= 4_000
    name, arguments = split_command(text[:40_000])
    assert all(is_text(word) for word in (name, *arguments))
    count("Slack texts, translated")


@examples(0.01, quick=30)
@given(TEXTS, st.integers(0, 600), st.booleans(), st.none() | st.floats(0, 1e6), st.booleans())
def test_any_fault_comes_to_one_of_the_known_failures(
    code: str, status: int, refused: bool, retry_after: float | None, editing: bool
) -> None:
    fault = SlackFault(code, status=status, refused=refused, retry_after=retry_after)
    assert isinstance(as_delivery_failure(fault, editing=editing), DeliveryFailure)
    count("Slack faults, named")
