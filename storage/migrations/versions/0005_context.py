"""What was said in a channel before a conversation began there, which messages are of other bots, and summaries of what
the model no longer reads."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("messages", sa.Column("is_bot", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "overheard",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("platform_id", sa.String(length=64), nullable=False),
        sa.Column("author_id", sa.String(length=64), nullable=False),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("is_bot", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("attachments", sa.Text(), nullable=False, server_default=sa.text("'[]'")),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_overheard_conversation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_overheard")),
        sa.UniqueConstraint("conversation_id", "platform_id", name=op.f("uq_overheard_conversation_id_platform_id")),
    )
    identity = ["platform", "workspace", "channel", "platform_id"]
    op.create_index("ix_overheard_message", "overheard", identity, unique=False)
    op.create_index("ix_overheard_sent", "overheard", ["sent_at", "id"], unique=False)
    op.create_index("ix_overheard_author", "overheard", ["platform", "author_id", "id"], unique=False)
    op.create_table(
        "summaries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_summaries_conversation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_summaries")),
        sa.UniqueConstraint("conversation_id", "until", name=op.f("uq_summaries_conversation_id_until")),
    )
