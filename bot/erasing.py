"""`parley erase`: a person is removed from what is kept, and what was done is said in counts."""

from __future__ import annotations

from bot.attached import EXIT_DONE, EXIT_NOTHING_DONE, Work, note, say
from storage.database import Database
from storage.erasure import Erasure
from storage.records import Erased


def erasing(platform: str, user_id: str) -> Work:
    """Remove a person from all workspaces of a platform."""

    async def work(database: Database) -> int:
        erased = await Erasure(database).erase(platform, user_id)
        if erased == Erased():
            note(f"Nothing is kept of {platform}:{user_id}.")
            return EXIT_NOTHING_DONE
        say(f"Erased {platform}:{user_id}: {_told(erased)}.")
        if erased.open_turns:
            note(
                f"{_count(erased.open_turns, 'question')} of theirs had no answer yet and will get none. What a "
                "running answer takes may still be counted under their id: do this again in a minute."
            )
        note("Backups made before hold it still, and so do Slack and Discord themselves.")
        return EXIT_DONE

    return work


def _told(erased: Erased) -> str:
    return ", ".join(
        (
            _count(erased.messages, "message"),
            f"{_count(erased.answers, 'answer')} to them alone",
            f"{_count(erased.usage, 'line')} of usage and {erased.spending:,} of spending made nobody's",
            _count(erased.ratings, "rating"),
            f"{_count(erased.audit, 'change')} in the audit and {_count(erased.settings, 'setting')} too",
        )
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
