"""What is for us, and what is not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.intake import gate
from bot.messages import Address, Author, IncomingMessage, Quoted

ADA = Author("U1", "Ada")
IN_THREAD = Address("slack", "T1", "C1", "100.1")
IN_CHANNEL = Address("discord", "G1", "C1")
PLAIN = IncomingMessage(IN_THREAD, "100.2", ADA, "hi", mentions_bot=False, sent_at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("message", "known", "verdict"),
    [
        (replace(PLAIN, mentions_bot=True), False, "answer"),
        (replace(PLAIN, direct=True), False, "answer"),
        (replace(PLAIN, quoted=Quoted("1", by_us=True)), False, "answer"),
        (PLAIN, True, "answer"),
        (PLAIN, False, "ignore"),
        (replace(PLAIN, mentions_others=True), True, "keep"),
        (replace(PLAIN, mentions_others=True, mentions_bot=True), True, "answer"),
        (replace(PLAIN, quoted=Quoted("1")), False, "ignore"),
        (replace(PLAIN, address=IN_CHANNEL, quoted=Quoted("1")), True, "keep"),
        (replace(PLAIN, author=Author("B1", "Robot", is_bot=True), mentions_bot=True), True, "ignore"),
        (replace(PLAIN, author=Author("B1", "Robot", is_bot=True), direct=True), False, "ignore"),
    ],
    ids=[
        "a mention",
        "a direct message",
        "a reply to us",
        "a message in our thread",
        "a message in a foreign thread",
        "to somebody else in our thread",
        "to us and somebody else",
        "a reply to a person",
        "a reply to a person in a chain of ours",
        "a bot that mentions us",
        "a bot in a direct message",
    ],
)
def test_the_gate(message: IncomingMessage, known: bool, verdict: str) -> None:
    assert gate(message, known=known) == verdict
