"""What was read of a message's files, and the files that answers come with."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("messages", sa.Column("file_texts", sa.Text(), nullable=True))
    op.create_table(
        "uploads",
        sa.Column("turn_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("intended_at", sa.BigInteger(), nullable=False),
        sa.Column("platform_id", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.id"], name=op.f("fk_uploads_turn_id")),
        sa.PrimaryKeyConstraint("turn_id", "name", name=op.f("pk_uploads")),
    )
    op.create_index("ix_uploads_platform_id", "uploads", ["platform_id"])
