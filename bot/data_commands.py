"""`parley export`, `erase` and `audit`: the command line of what is kept. What they do is in rooms of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from bot.attached import Work

PLATFORMS = ("slack", "discord")
Workspace = Annotated[
    str, typer.Option(metavar="PLATFORM:ID", help="One workspace: slack:T012AB or a Discord server, discord:81384.")
]
Person = Annotated[str, typer.Option(metavar="PLATFORM:ID", help="One person: slack:U012AB, discord:80351.")]


def export(
    workspace: Workspace = "",
    user: Person = "",
    file: Annotated[Path | None, typer.Argument(help="Where to put it; standard output if none is named.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Give all that is kept of a workspace or of a person as JSON lines, also while the bot runs."""
    from bot import exporting

    if bool(workspace) == bool(user):
        raise typer.BadParameter("name --workspace or --user: one of the two")
    rows = exporting.of_person(*_named(user, "--user")) if user else exporting.of_workspace(*_place(workspace))
    _do(exporting.exporting(rows, file, replace=force))


def erase(
    user: Annotated[str, typer.Option(metavar="PLATFORM:ID", help="Whom: slack:U012AB, discord:80351.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Remove a person from what is kept, also while the bot runs: their words, their name and their id."""
    from bot import erasing

    platform, user_id = _named(user, "--user")
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("nobody can be asked here: say --yes")
        typer.confirm(f"Remove all that is kept of {platform}:{user_id}? It can't be brought back.", abort=True)
    _do(erasing.erasing(platform, user_id))


def audit(
    since: Annotated[str, typer.Option(metavar="WHEN", help="From then on: 7d, 12h, 2026-11-02.")] = "",
    workspace: Workspace = "",
    channel: Annotated[str, typer.Option(metavar="ID", help="One channel.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="However many there are.")] = False,
) -> None:
    """List who changed what, newest first: settings, what was forgotten."""
    from bot import auditing

    try:
        moment = auditing.moment_of(since) if since else 0
    except ValueError:
        raise typer.BadParameter("write it as 7d, 12h, 30min or 2026-11-02", param_hint="--since") from None
    platform, place = _place(workspace) if workspace else ("", "")
    _do(
        auditing.listing(
            since=moment,
            platform=platform,
            workspace=place,
            channel=channel,
            everything=everything,
            as_json=as_json,
        )
    )


def _place(text: str) -> tuple[str, str]:
    """A workspace's platform and id; Discord's direct messages are in none, which is `discord:`."""
    platform, colon, name = text.partition(":")
    if platform not in PLATFORMS or not colon:
        raise typer.BadParameter("write it as slack:ID or discord:ID", param_hint="--workspace")
    return platform, name


def _named(text: str, option: str) -> tuple[str, str]:
    platform, _, name = text.partition(":")
    if platform not in PLATFORMS or not name:
        raise typer.BadParameter("write it as slack:ID or discord:ID", param_hint=option)
    return platform, name


def _do(work: Work) -> NoReturn:
    import asyncio

    from bot import attached, logs

    logs.configure("warning", "auto")
    raise typer.Exit(asyncio.run(attached.on_database(work)))
