"""What counts as a change of a question, and the count of them that an open turn keeps.

Whoever runs the turn stores nothing that was made for an older count: `revisions.py` and `turns.py` see to that.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, update

from bot.messages import Attachment
from storage.connection import Connection
from storage.records import TurnKind
from storage.schema import turns
from storage.states import is_open

REVISE = (
    update(turns)
    .where(turns.c.id == bindparam("of_turn"), is_open(turns), turns.c.kind.in_(bindparam("kinds", expanding=True)))
    .values(revision=turns.c.revision + 1, outcome=None, stopped_by=None)
    .returning(turns.c.revision)
)

# A command is carried out once, whatever becomes of its words.
ANSWERS: Sequence[TurnKind] = ("answer",)
TAKEN_BACK_WITH_THEIR_QUESTION: Sequence[TurnKind] = ("answer", "notice")


def revise(connection: Connection, turn_id: int | None, kinds: Sequence[TurnKind]) -> int | None:
    """Count one more change of a turn's questions; None where it has ended, or is of another kind."""
    if turn_id is None:
        return None
    revision: int | None = connection.scalar(REVISE, {"of_turn": turn_id, "kinds": kinds})
    return revision


def contents(files: Sequence[Attachment]) -> Sequence[tuple[str, str, int]]:
    """What tells files from each other; their addresses do not, being given anew each time."""
    return [(file.name, file.media_type, file.size) for file in files]
