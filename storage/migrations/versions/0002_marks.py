"""Named moments, the cursors by how recent they are, the turns that failed, and what came of asking the model."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    marks = op.create_table(
        "marks",
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_marks")),
    )
    first = op.get_bind().scalar(sa.text("SELECT min(created_at) FROM conversations"))
    op.bulk_insert(marks, [{"name": "born", "at": first or time.time_ns() // 1000}])
    op.add_column("turns", sa.Column("outcome", sa.Text(), nullable=True))
    op.create_index("ix_cursors_recent", "cursors", ["platform", "position"], unique=False)
    op.create_index(
        "ix_turns_failed",
        "turns",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'failed'"),
        postgresql_where=sa.text("state = 'failed'"),
    )
