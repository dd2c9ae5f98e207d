"""The tables. Times are whole microseconds since the Unix epoch, so that they sort and compare the same everywhere.

What changes here changes by a numbered migration in `migrations/versions`; a test holds the two together.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    false,
    text,
)

from storage.columns import Files, FileTexts, Name, RowId, Words

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("platform", Name(32), nullable=False),
    Column("workspace", Name(64), nullable=False),
    Column("channel", Name(64), nullable=False),
    # The thread's id, the first message of a chain of replies, or empty for a direct message without threads.
    Column("root", Name(64), nullable=False),
    Column("direct", Boolean, nullable=False),
    # Whether what was said before the bot came has been read from the platform (or there was nothing).
    Column("complete", Boolean, nullable=False),
    # Where the model's window onto the conversation begins: a message's `position`.
    Column("context_start", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("platform", "workspace", "channel", "root"),
)

turns = Table(
    "turns",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False),
    # Made from the first question's own identity: the same in any process, and after a lost database too.
    Column("key", Name(32), nullable=False),
    Column("state", String(16), nullable=False),  # queued | running | answered | failed | cancelled
    # What it takes: asking the model, carrying out the command in `payload`, or only saying the sentence there.
    Column("kind", String(16), nullable=False, server_default=text("'answer'")),  # answer | command | notice
    Column("payload", Words),
    Column("thread", Name(64)),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # How many of the attempts ended without a word: the process died, or ran into a bug.
    Column("crashes", Integer, nullable=False, server_default=text("0")),
    Column("lease_owner", Name(64)),
    Column("lease_until", BigInteger),
    Column("not_before", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("failure", Name(64)),
    # What the model said, from its last word until the turn has ended.
    Column("outcome", Words),
    # Counts the edits and deletions of its questions while it is open: what answers an older one is out of date.
    Column("revision", Integer, nullable=False, server_default=text("0")),
    # The press of a button that had it answered anew, the last one: told again, it does nothing.
    Column("pressed", Name(64)),
    # By name who wants no more of the answer that is being written.
    Column("stopped_by", Words),
    UniqueConstraint("key"),
)
_OPEN = text("state IN ('queued', 'running')")
# The queue in its order, and the line within each conversation: as long as what is open, however much is stored.
Index("ix_turns_queue", turns.c.id, sqlite_where=_OPEN, postgresql_where=_OPEN)
Index("ix_turns_line", turns.c.conversation_id, turns.c.id, sqlite_where=_OPEN, postgresql_where=_OPEN)
# What an operator is asked to look at.
_FAILED = text("state = 'failed'")
Index("ix_turns_failed", turns.c.id, sqlite_where=_FAILED, postgresql_where=_FAILED)
# What ended long ago, for the retention.
_ENDED = text("state IN ('answered', 'failed', 'cancelled')")
Index("ix_turns_ended", turns.c.finished_at, turns.c.id, sqlite_where=_ENDED, postgresql_where=_ENDED)
_RUNNING = text("state = 'running'")
Index(
    "uq_turns_one_running",
    turns.c.conversation_id,
    unique=True,
    sqlite_where=_RUNNING,
    postgresql_where=_RUNNING,
)

messages = Table(
    "messages",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False),
    Column("turn_id", ForeignKey("turns.id")),
    Column("platform", Name(32), nullable=False),
    Column("workspace", Name(64), nullable=False),
    Column("channel", Name(64), nullable=False),
    Column("platform_id", Name(64), nullable=False),
    # A message to the bot that is not part of the conversation, such as a command, is an aside.
    Column("role", String(16), nullable=False),  # user | assistant | aside
    Column("author_id", Name(64), nullable=False),
    Column("author_name", Words, nullable=False),
    Column("text", Words, nullable=False),
    Column("attachments", Files, nullable=False, server_default=text("'[]'")),
    # What the model reads of them: the same at every turn of the conversation.
    Column("file_texts", FileTexts),
    Column("sent_at", BigInteger, nullable=False),
    # The order within the conversation: when it was sent; an answer stands where the question it answers stands.
    Column("position", BigInteger, nullable=False),
    Column("edited", Boolean, nullable=False, server_default=false()),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    # When its present wording was given, by the platform's clock; 0 where it was never edited.
    Column("edited_at", BigInteger, nullable=False, server_default=text("0")),
    # Whether a program wrote it that is not this one: it is read, and is nobody who takes part.
    Column("is_bot", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("platform", "workspace", "channel", "platform_id"),
)
Index("ix_messages_order", messages.c.conversation_id, messages.c.position, messages.c.id)
Index("ix_messages_turn", messages.c.turn_id)
# What was said long ago, for the retention; and by whom, to give it to them or to remove it.
Index("ix_messages_sent", messages.c.sent_at, messages.c.id)
Index("ix_messages_author", messages.c.platform, messages.c.author_id, messages.c.id)

# What a message loses when its words go, whatever they go for.
wordless: dict[str, Any] = {"text": "", "attachments": (), "file_texts": None}

# What people had said in a channel shortly before a conversation began there: that conversation's alone.
overheard = Table(
    "overheard",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False),
    Column("platform", Name(32), nullable=False),
    Column("workspace", Name(64), nullable=False),
    Column("channel", Name(64), nullable=False),
    Column("platform_id", Name(64), nullable=False),
    Column("author_id", Name(64), nullable=False),
    Column("author_name", Words, nullable=False),
    Column("is_bot", Boolean, nullable=False, server_default=false()),
    Column("text", Words, nullable=False),
    Column("attachments", Files, nullable=False, server_default=text("'[]'")),
    Column("sent_at", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("conversation_id", "platform_id"),
)
Index(
    "ix_overheard_message",
    overheard.c.platform,
    overheard.c.workspace,
    overheard.c.channel,
    overheard.c.platform_id,
)
Index("ix_overheard_sent", overheard.c.sent_at, overheard.c.id)
Index("ix_overheard_author", overheard.c.platform, overheard.c.author_id, overheard.c.id)

# What the model no longer reads of a conversation, in few words.
summaries = Table(
    "summaries",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False),
    # It tells of everything before this position, which is a message's.
    Column("until", BigInteger, nullable=False),
    Column("text", Words, nullable=False),
    Column("model", Name(128), nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    UniqueConstraint("conversation_id", "until"),
)

reply_parts = Table(
    "reply_parts",
    metadata,
    Column("turn_id", ForeignKey("turns.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("state", String(16), nullable=False),  # intended | sent
    Column("platform_id", Name(64)),
    Column("intended_at", BigInteger, nullable=False),
)
Index("ix_reply_parts_platform_id", reply_parts.c.platform_id)

# What people think of an answer: one opinion each.
ratings = Table(
    "ratings",
    metadata,
    Column("turn_id", ForeignKey("turns.id"), primary_key=True),
    Column("user_id", Name(64), primary_key=True),
    Column("platform", Name(32), nullable=False),
    Column("value", Integer, nullable=False),  # +1 | -1
    Column("at", BigInteger, nullable=False),
)
Index("ix_ratings_user", ratings.c.platform, ratings.c.user_id, ratings.c.turn_id)

# Files that an answer comes with: a row before one is sent, by a name that no other answer's file has.
uploads = Table(
    "uploads",
    metadata,
    Column("turn_id", ForeignKey("turns.id"), primary_key=True),
    Column("name", Name(128), primary_key=True),
    Column("state", String(16), nullable=False),  # intended | sent | refused | taken_back
    Column("intended_at", BigInteger, nullable=False),
    # The platform's id of what was posted, once it is known: the message's, or the file's own.
    Column("platform_id", Name(64)),
)
Index("ix_uploads_platform_id", uploads.c.platform_id)

settings = Table(
    "settings",
    metadata,
    Column("platform", Name(32), primary_key=True),
    Column("workspace", Name(64), primary_key=True),
    Column("channel", Name(64), primary_key=True),  # empty: the whole workspace
    Column("thread", Name(64), primary_key=True),  # empty: the whole channel
    Column("name", Name(64), primary_key=True),
    Column("value", Words, nullable=False),
    Column("set_by", Name(64), nullable=False),
    Column("set_at", BigInteger, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("turn_id", ForeignKey("turns.id")),
    Column("at", BigInteger, nullable=False),
    Column("platform", Name(32), nullable=False),
    Column("workspace", Name(64), nullable=False),
    Column("channel", Name(64), nullable=False),
    Column("user_id", Name(64), nullable=False),
    Column("purpose", String(16), nullable=False),  # answer | try | probe | summary
    Column("model", Name(128), nullable=False),
    Column("key_label", Name(64), nullable=False),
    Column("requests", Integer, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("cached_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("reasoning_tokens", Integer, nullable=False),
    Column("estimated", Boolean, nullable=False),
    # Micro-dollars; null where the model's price is not known.
    Column("cost_micros", BigInteger),
)
Index("ix_usage_at", usage.c.at)
Index("ix_usage_turn", usage.c.turn_id)
Index("ix_usage_place", usage.c.platform, usage.c.workspace, usage.c.at)
Index("ix_usage_user", usage.c.platform, usage.c.user_id, usage.c.id)

# What was spent in each calendar month (UTC), kept up with every row of usage: a budget is asked before each question.
spending = Table(
    "spending",
    metadata,
    Column("month", String(7), primary_key=True),  # 2026-11
    Column("platform", Name(32), primary_key=True),
    Column("workspace", Name(64), primary_key=True),
    Column("channel", Name(64), primary_key=True),
    Column("user_id", Name(64), primary_key=True),
    Column("micros", BigInteger, nullable=False),
)
Index("ix_spending_user", spending.c.platform, spending.c.user_id)

# What a question under way may come to cost at most, set aside of the budgets until it is known.
reservations = Table(
    "reservations",
    metadata,
    Column("key", Name(64), primary_key=True),
    Column("platform", Name(32), nullable=False),
    Column("workspace", Name(64), nullable=False),
    Column("channel", Name(64), nullable=False),
    Column("user_id", Name(64), nullable=False),
    Column("micros", BigInteger, nullable=False),
    # A question that nobody came to settle counts no longer.
    Column("until", BigInteger, nullable=False),
)
Index("ix_reservations_until", reservations.c.until)
Index("ix_reservations_user", reservations.c.platform, reservations.c.user_id)

audit = Table(
    "audit",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("platform", Name(32), nullable=False),
    Column("workspace", Name(64), nullable=False),
    Column("channel", Name(64), nullable=False),  # empty: the whole workspace
    Column("thread", Name(64), nullable=False),  # empty: the whole channel
    Column("author_id", Name(64), nullable=False),
    Column("author_name", Words, nullable=False),
    Column("action", String(16), nullable=False),  # set | reset | forget | stop
    Column("name", Name(64), nullable=False),  # the setting's
    Column("before", Words),
    Column("after", Words),
)
Index("ix_audit_at", audit.c.at)
Index("ix_audit_author", audit.c.platform, audit.c.author_id, audit.c.id)

cursors = Table(
    "cursors",
    metadata,
    Column("platform", Name(32), primary_key=True),
    Column("workspace", Name(64), primary_key=True),
    Column("channel", Name(64), primary_key=True),
    Column("thread", Name(64), primary_key=True),  # empty: the channel itself
    Column("platform_id", Name(64), nullable=False),
    Column("position", BigInteger, nullable=False),
)
Index("ix_cursors_recent", cursors.c.platform, cursors.c.position)

# When something named happened last.
marks = Table(
    "marks",
    metadata,
    Column("name", Name(160), primary_key=True),
    Column("at", BigInteger, nullable=False),
)
