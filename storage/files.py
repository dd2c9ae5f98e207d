"""What was read of the files that came with messages, and which files an answer has come with."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, false, select, update

from bot.errors import LeaseLost
from bot.messages import Attachment, FileText
from storage.connection import Connection
from storage.database import Database
from storage.dialect import upsert
from storage.fence import HELD, holding
from storage.records import Claim, StoredUpload, UploadState, now
from storage.schema import messages, uploads

KEEP_TEXTS = (
    update(messages)
    .where(
        messages.c.id == bindparam("of_row"),
        # While it was read the message may have been forgotten, or its files taken back.
        messages.c.deleted == false(),
        messages.c.attachments == bindparam("of_attachments", type_=messages.c.attachments.type),
    )
    .values(file_texts=bindparam("to_texts"))
)
UPLOADS = (
    select(uploads.c.name, uploads.c.state, uploads.c.intended_at, uploads.c.platform_id)
    .where(uploads.c.turn_id == bindparam("of_turn"))
    .order_by(uploads.c.name)
)
INTEND_UPLOAD = upsert(
    uploads,
    lambda insert: insert.values(
        turn_id=bindparam("of_turn"),
        name=bindparam("to_name"),
        state="intended",
        intended_at=bindparam("moment"),
    ).on_conflict_do_update(
        index_elements=["turn_id", "name"],
        set_={"state": "intended", "intended_at": insert.excluded.intended_at},
    ),
)
SETTLE_UPLOAD = (
    update(uploads)
    .where(uploads.c.turn_id == bindparam("of_turn"), uploads.c.name == bindparam("of_name"))
    .values(state=bindparam("to_state"), platform_id=bindparam("to_platform_id"))
)


class Files:
    """The queries of files in and out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep_texts(self, message_id: int, attachments: Sequence[Attachment], texts: Sequence[FileText]) -> bool:
        """Keep what was read of these attachments of a message; False where they are its own no more."""
        return await self._database.insist(_keep_texts, message_id, attachments, texts)

    async def uploads(self, turn_id: int) -> Sequence[StoredUpload]:
        """The files that a turn's answer has come with, or was about to."""
        return await self._database.read(_uploads, turn_id)

    async def intend_upload(self, claim: Claim, name: str) -> None:
        """Write down, before it is sent, that a file of the answer is about to be. Raises `LeaseLost`."""
        await self._database.insist(_intend_upload, claim, name)

    async def settle_upload(self, claim: Claim, name: str, state: UploadState, platform_id: str | None = None) -> None:
        """Write down what became of it, and the platform's id of it where it stands there.

        Unfenced: it is a fact, whoever holds the turn now.
        """
        await self._database.insist(_settle_upload, claim, name, state, platform_id)


def _keep_texts(
    connection: Connection, message_id: int, attachments: Sequence[Attachment], texts: Sequence[FileText]
) -> bool:
    kept = {"of_row": message_id, "of_attachments": tuple(attachments), "to_texts": tuple(texts)}
    return bool(connection.execute(KEEP_TEXTS, kept).rowcount)


def _uploads(connection: Connection, turn_id: int) -> Sequence[StoredUpload]:
    return [StoredUpload(*row) for row in connection.execute(UPLOADS, {"of_turn": turn_id})]


def _intend_upload(connection: Connection, claim: Claim, name: str) -> None:
    if connection.scalar(HELD, holding(claim)) is None:
        raise LeaseLost(f"turn {claim.turn_id} is held by another worker")
    row = {"of_turn": claim.turn_id, "to_name": name, "moment": now()}
    connection.execute(INTEND_UPLOAD[connection.dialect.name], row)


def _settle_upload(
    connection: Connection, claim: Claim, name: str, state: UploadState, platform_id: str | None
) -> None:
    settled = {"of_turn": claim.turn_id, "of_name": name, "to_state": state, "to_platform_id": platform_id}
    connection.execute(SETTLE_UPLOAD, settled)
