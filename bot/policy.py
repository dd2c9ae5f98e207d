"""Who may do what: decided here alone, for every way a wish can come in. What is not allowed is refused. Pure."""

from __future__ import annotations

from bot.controls.effective import Effective
from bot.controls.table import Control, Level
from bot.messages import Address, Author
from bot.settings import Settings

ONLY_ADMINS = (
    "Only admins may do that here: {who}. They can open it to all with `/parley set rights everyone`; "
    "`/parley show` tells how things stand."
)
ONLY_ADMINS_EVER = "Only admins may change **{name}**: {who}. `/parley show` tells how it stands."
WHO_ARE_ADMINS = {
    "slack": "the workspace's admins and owners, and whom the host names in `PARLEY_ADMINS`",
    "discord": "who may manage the channel, and whom the host names in `PARLEY_ADMINS`",
}
BY_THE_HOST = "whom the host names in `PARLEY_ADMINS`"


def is_admin(author: Author, settings: Settings) -> bool:
    """Whether somebody runs the place, or is named in `PARLEY_ADMINS`."""
    return not author.is_bot and (author.is_admin or author.id in settings.parley_admins)


def refuse_setting(
    author: Author, address: Address, control: Control, level: Level, *, effective: Effective, settings: Settings
) -> str:
    """Why somebody may not change a setting, with who may; the empty text where they may.

    A direct conversation on a platform without workspaces is nobody's workspace but the host's own.
    """
    if level == "workspace" and not address.workspace:
        return (
            "" if author.id in settings.parley_admins else ONLY_ADMINS_EVER.format(name=control.name, who=BY_THE_HOST)
        )
    if is_admin(author, settings):
        return ""
    who = WHO_ARE_ADMINS.get(address.platform, BY_THE_HOST)
    if control.who == "admins" or level == "workspace":
        return ONLY_ADMINS_EVER.format(name=control.name, who=who)
    return "" if effective.rights == "everyone" and not author.is_bot else ONLY_ADMINS.format(who=who)


def refuse_question(author: Author, address: Address, effective: Effective, *, direct: bool) -> str:
    """Why somebody's questions are not answered here; the empty text where they are.

    A list that blocks goes before one that allows. Somebody whose roles are not known has none that allows, and is
    stopped where any role is blocked.
    """
    if author.id in (effective.block_users or ()):
        return NOT_YOU
    if effective.block_roles and (author.roles is None or author.roles & effective.block_roles):
        return NOT_YOU
    if effective.allow_users is not None or effective.allow_roles is not None:
        named = author.id in (effective.allow_users or ())
        roles = author.roles or frozenset()
        if not named and not roles & (effective.allow_roles or frozenset()):
            return NOT_YOU
    if address.channel in (effective.block_channels or ()):
        return NOT_HERE
    if effective.allow_channels is not None and (direct or address.channel not in effective.allow_channels):
        return NOT_HERE
    return ""


NOT_YOU = "I'm set up to answer only some people here, and you are not among them. An admin can change that."
NOT_HERE = "I'm set up not to answer in this place. An admin can change that, or tell you where I do."
