"""Who may do what: decided here alone, for every way a wish can come in. What is not allowed is refused. Pure."""

from __future__ import annotations

from collections.abc import Collection

from bot.controls.effective import Effective
from bot.controls.table import Control, Level
from bot.messages import Address, Author
from bot.settings import Settings

ONLY_ADMINS = (
    "Only admins may do that here: {who}. They can open it to all with `/parley set rights everyone`; "
    "`/parley show` tells how things stand."
)
ONLY_ADMINS_EVER = "Only admins may change **{name}**: {who}. `/parley show` tells how it stands."
ONLY_ASKERS = "Only who asked may do that to an answer, and admins: {who}."
WHO_ARE_ADMINS = {
    "slack": "the workspace's admins and owners, and whom the host names in `PARLEY_ADMINS`",
    "discord": "who may manage the channel, and whom the host names in `PARLEY_ADMINS`",
}
WHO_RUNS = {
    "slack": WHO_ARE_ADMINS["slack"],
    "discord": "who may manage the server, and whom the host names in `PARLEY_ADMINS`",
}
# What a place pays with is the workspace's business, wherever it is set.
OF_THE_HOST = frozenset({"key"})
BY_THE_HOST = "whom the host names in `PARLEY_ADMINS`"


def is_admin(author: Author, settings: Settings) -> bool:
    """Whether somebody runs the place, or is named in `PARLEY_ADMINS`."""
    return not author.is_bot and (author.is_admin or author.id in settings.parley_admins)


def runs_workspace(author: Author, address: Address, settings: Settings) -> bool:
    """Whether somebody runs the whole workspace, or is named in `PARLEY_ADMINS`; nobody else runs a conversation that
    belongs to none."""
    by_platform = author.runs_workspace and not author.is_bot and bool(address.workspace)
    return by_platform or author.id in settings.parley_admins


def refuse_setting(
    author: Author, address: Address, control: Control, level: Level, *, effective: Effective, settings: Settings
) -> str:
    """Why somebody may not change a setting, with who may; the empty text where they may.

    A direct conversation on a platform without workspaces is nobody's workspace but the host's own.
    """
    if level == "workspace" or control.name in OF_THE_HOST:
        who = WHO_RUNS.get(address.platform, BY_THE_HOST) if address.workspace else BY_THE_HOST
        return "" if runs_workspace(author, address, settings) else ONLY_ADMINS_EVER.format(name=control.name, who=who)
    if is_admin(author, settings):
        return ""
    who = WHO_ARE_ADMINS.get(address.platform, BY_THE_HOST)
    if control.who == "admins":
        return ONLY_ADMINS_EVER.format(name=control.name, who=who)
    return "" if effective.rights == "everyone" and not author.is_bot else ONLY_ADMINS.format(who=who)


def refuse_button(author: Author, address: Address, askers: Collection[str], settings: Settings) -> str:
    """Why somebody may not stop an answer, or have it written anew or gone on with; the empty text where they may.

    It belongs to those who asked for it, and admins may do what they may. What they think of it, all may say.
    """
    if not author.is_bot and (author.id in askers or is_admin(author, settings)):
        return ""
    return ONLY_ASKERS.format(who=WHO_ARE_ADMINS.get(address.platform, BY_THE_HOST))


def refuse_question(
    author: Author, address: Address, effective: Effective, settings: Settings, *, direct: bool = False
) -> str:
    """Why somebody is not answered here; the empty text where they are. Holds for questions and commands alike.

    A list that blocks goes before one that allows. Somebody whose roles are not known has none that allows, and is
    stopped where any role is blocked. Lists of people leave admins alone, who set them; lists of places hold for all.
    """
    if not is_admin(author, settings) and _is_kept_out(author, effective):
        return NOT_YOU
    if address.channel in (effective.block_channels or ()):
        return NOT_HERE
    if effective.allow_channels is not None and (direct or address.channel not in effective.allow_channels):
        return NOT_HERE
    if direct and not settings.parley_direct_messages and author.id not in settings.parley_admins:
        return NOT_DIRECTLY
    return ""


def is_heard(author: Author, effective: Effective, settings: Settings) -> bool:
    """Whether what somebody said in a channel or a thread may be read there by the model: not where they are not
    answered.

    Bots are never answered; of them only those on the list are not read.
    """
    if author.is_bot:
        return author.id not in (effective.block_users or ())
    return is_admin(author, settings) or not _is_kept_out(author, effective)


def _is_kept_out(author: Author, effective: Effective) -> bool:
    if author.id in (effective.block_users or ()):
        return True
    if effective.block_roles and (author.roles is None or author.roles & effective.block_roles):
        return True
    if effective.allow_users is None and effective.allow_roles is None:
        return False
    named = author.id in (effective.allow_users or ())
    return not named and not (author.roles or frozenset()) & (effective.allow_roles or frozenset())


NOT_YOU = "I'm set up to answer only some people here, and you are not among them. An admin can change that."
NOT_HERE = "I'm set up not to answer in this place. An admin can change that, or tell you where I do."
NOT_DIRECTLY = "I'm set up not to answer in direct messages. Please ask me in a channel."
