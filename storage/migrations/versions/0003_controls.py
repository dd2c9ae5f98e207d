"""Who changed what; usage by place, month and purpose; what is set aside of budgets; turns that ask no model."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("turns", sa.Column("kind", sa.String(length=16), nullable=False, server_default=sa.text("'answer'")))
    op.add_column("turns", sa.Column("payload", sa.Text(), nullable=True))
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("thread", sa.String(length=64), nullable=False),
        sa.Column("author_id", sa.String(length=64), nullable=False),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_at", "audit", ["at"], unique=False)
    op.create_index("ix_audit_author", "audit", ["platform", "author_id", "id"], unique=False)
    op.create_table(
        "reservations",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_reservations")),
    )
    op.create_index("ix_reservations_until", "reservations", ["until"], unique=False)
    op.create_index("ix_reservations_user", "reservations", ["platform", "user_id"], unique=False)
    op.create_table(
        "spending",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("month", "platform", "workspace", "channel", "user_id", name=op.f("pk_spending")),
    )
    op.create_index("ix_spending_user", "spending", ["platform", "user_id"], unique=False)
    ended = sa.text("state IN ('answered', 'failed', 'cancelled')")
    op.create_index("ix_turns_ended", "turns", ["finished_at", "id"], sqlite_where=ended, postgresql_where=ended)
    op.create_index("ix_messages_sent", "messages", ["sent_at", "id"], unique=False)
    op.create_index("ix_messages_author", "messages", ["platform", "author_id", "id"], unique=False)
    _give_usage_its_place()
    op.execute(
        "INSERT INTO spending (month, platform, workspace, channel, user_id, micros)"
        " SELECT strftime('%Y-%m', at / 1000000, 'unixepoch'), platform, workspace, channel, user_id, sum(cost_micros)"
        " FROM usage WHERE cost_micros > 0 GROUP BY 1, 2, 3, 4, 5"
    )


def _give_usage_its_place() -> None:
    """Made anew: a try or a probe belongs to no turn, and each row now says by itself where it was used."""
    op.rename_table("usage", "usage_before")
    op.drop_index("ix_usage_at")
    op.drop_index("ix_usage_turn")
    op.create_table(
        "usage",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("turn_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("key_label", sa.String(length=64), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("cached_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("reasoning_tokens", sa.Integer(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.id"], name=op.f("fk_usage_turn_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage")),
    )
    op.execute(
        "INSERT INTO usage (id, turn_id, at, platform, workspace, channel, user_id, purpose, model, key_label,"
        " requests, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, estimated, cost_micros)"
        " SELECT u.id, u.turn_id, u.at, c.platform, c.workspace, c.channel, u.user_id, 'answer', u.model, u.key_label,"
        " u.requests, u.prompt_tokens, u.cached_tokens, u.completion_tokens, u.reasoning_tokens, u.estimated,"
        " u.cost_micros FROM usage_before u JOIN turns t ON t.id = u.turn_id"
        " JOIN conversations c ON c.id = t.conversation_id"
    )
    op.drop_table("usage_before")
    op.create_index("ix_usage_at", "usage", ["at"], unique=False)
    op.create_index("ix_usage_turn", "usage", ["turn_id"], unique=False)
    op.create_index("ix_usage_place", "usage", ["platform", "workspace", "at"], unique=False)
    op.create_index("ix_usage_user", "usage", ["platform", "user_id", "id"], unique=False)
