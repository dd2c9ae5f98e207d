"""Messages as people write them, for the store to keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.messages import Address, Attachment, Author, IncomingMessage
from storage.records import Ruling

EPOCH = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
THREAD = Address("slack", "T1", "C1", "100.1")


def says(
    message_id: str,
    text: str = "hello",
    *,
    at: float = 0.0,
    address: Address = THREAD,
    author: str = "U1",
    attachments: tuple[Attachment, ...] = (),
    direct: bool = False,
) -> IncomingMessage:
    """A message of `author`, sent `at` seconds after nine o'clock."""
    return IncomingMessage(
        address=address,
        id=message_id,
        author=Author(author, f"name of {author}"),
        text=text,
        mentions_bot=True,
        sent_at=EPOCH + timedelta(seconds=at),
        attachments=attachments,
        direct=direct,
    )


def asks() -> Ruling:
    """The message is a question, to be answered."""
    return Ruling("answer")


def keeps() -> Ruling:
    """The message is kept as context alone."""
    return Ruling(None)
