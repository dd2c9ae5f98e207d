"""Who may do what: decided here alone, for every way a wish can come in. What is not allowed is refused."""

from __future__ import annotations

from bot.messages import Author
from bot.settings import Settings


def may_set(author: Author, settings: Settings) -> bool:
    """Whether someone may change a channel's settings: who runs the place, or is named in `PARLEY_ADMINS`."""
    return author.is_admin or author.id in settings.parley_admins
