"""What people think of answers; and of each turn, which press had it answered anew, and who wants no more of it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("turns", sa.Column("pressed", sa.String(length=64), nullable=True))
    op.add_column("turns", sa.Column("stopped_by", sa.Text(), nullable=True))
    op.create_table(
        "ratings",
        sa.Column("turn_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.id"], name=op.f("fk_ratings_turn_id")),
        sa.PrimaryKeyConstraint("turn_id", "user_id", name=op.f("pk_ratings")),
    )
    op.create_index("ix_ratings_user", "ratings", ["platform", "user_id", "turn_id"], unique=False)
