"""What edits and deletions leave: which wording of its questions a turn answers, and when a message was edited last."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("turns", sa.Column("revision", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("messages", sa.Column("edited_at", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
