"""The command line: `python -m bot run`, `parley doctor`, … Each command loads only what it needs.

So the imports stand in the commands: a host asks `parley health` every few seconds, and the platforms' SDKs take one.
"""

from __future__ import annotations

import gc
import sys
import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from bot import data_commands, turn_commands
from bot.errors import BackupRefused, SettingsInvalid, StartFailed

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from bot.settings import Settings

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    help="Parley answers in a team's Slack and Discord through OpenAI. Without a command it runs the worker.",
)

cli.add_typer(turn_commands.turns, name="turns")
for command in (data_commands.export, data_commands.erase, data_commands.audit):
    cli.command()(command)

EXIT_ILL = 1
EXIT_BAD_SETUP = 2
EXIT_TRY_AGAIN = 75
"""What sysexits.h calls EX_TEMPFAIL: a host should start the bot again, as it should not after a bad set-up."""
# Where one of these can't be read, nobody knows which database is meant.
HIDE_THE_DATABASE = frozenset({".env", "PARLEY_SECRETS_DIR", "database_url"})


class Platform(Enum):
    """What an argument may name."""

    SLACK = "slack"
    DISCORD = "discord"


class Period(Enum):
    """Of when usage is reported."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class By(Enum):
    """In which parts usage is reported."""

    ALL = "all"
    USER = "user"
    CHANNEL = "channel"
    MODEL = "model"
    KEY = "key"
    DAY = "day"


@cli.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """Run the worker where no command is named."""
    if context.invoked_subcommand is None:
        run()


@cli.command()
def run() -> None:
    """Run the worker in the foreground until SIGTERM or Ctrl-C."""
    # A start makes a quarter of a million objects that stay, and one in a hundred is garbage: `app.run` turns it on.
    gc.disable()
    import structlog

    from bot import app, logs
    from bot.environment import unknown_variables

    settings = _settings()
    logs.configure(settings.parley_log_level, settings.parley_log_format)
    log = structlog.get_logger(__name__)
    for name, nearest in unknown_variables():
        log.warning("setting_unknown", name=name, nearest=nearest or None)
    try:
        _drive(app.run(settings))
    except StartFailed as failed:
        _refuse(failed)


@cli.command()
def demo(
    talk: Annotated[bool, typer.Option("--talk", help="Leave the acts out: talk to the bot right away.")] = False,
    picture: Annotated[Path | None, typer.Option(hidden=True, help="Write an SVG of it instead of showing it.")] = None,
) -> None:
    """Show the bot at work: an emulated Slack, Discord and model on this machine, no account needed."""
    import asyncio

    from bot.demo import show

    raise typer.Exit(asyncio.run(show(picture, acts=not talk)))


@cli.command()
def chat(
    given: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting for this conversation, such as temperature=0.2."),
    ] = None,
) -> None:
    """Talk to the bot in the terminal: the same engine and database, no platform. Ctrl-D ends it."""
    from bot import chat as talking
    from bot import environment, logs

    logs.configure("error", "auto")
    try:
        changed = talking.changes(given or [])
        known, problems = environment.read()
        if needed := [problem for problem in problems if not problem.variable.startswith(("SLACK_", "DISCORD_"))]:
            raise SettingsInvalid(needed)
        if sys.stdin.isatty():
            typer.echo(talking.WELCOME)
        _drive(talking.talk(known, changed))
    except StartFailed as failed:
        _refuse(failed)


@cli.command()
def doctor() -> None:
    """Check the settings, the database, the model and the platforms, and say what would cure what is wrong."""
    import asyncio

    from rich.console import Console

    from bot import doctor as examination
    from bot import logs

    logs.configure("warning", "auto")
    raise typer.Exit(asyncio.run(examination.examine(Console())))


@cli.command()
def health(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: the verdict and all it rests on.")] = False,
) -> None:
    """Say whether the worker of this machine is well: exit code 0 if so, 1 if not. Asks nobody, needs no token."""
    from bot import environment
    from bot import health as examination

    # As far as they can be read: what else is wrong with them is the worker's business.
    known, _ = environment.read()
    found = examination.read(examination.path_of(known.database_url, known.parley_health_file))
    lines = examination.judge(found, time.time())
    if as_json:
        typer.echo(examination.as_json(found, lines))
    else:
        for line in examination.table(lines, colours=sys.stdout.isatty()):
            typer.echo(line)
    raise typer.Exit(0 if examination.is_healthy(lines) else EXIT_ILL)


@cli.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to put the copy.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Copy the database into FILE, whole and consistent, also while the bot runs."""
    from bot.environment import read
    from storage.backup import back_up

    # A copy needs no tokens; but what hides where the database is must not make it a copy of another.
    settings, problems = read()
    try:
        if hiding := [p for p in problems if p.variable in HIDE_THE_DATABASE]:
            raise SettingsInvalid(hiding)
        made = back_up(settings.database_url, file, replace=force)
    except BackupRefused as refused:
        _no_backup(str(refused))
    except StartFailed as failed:
        _no_backup(" ".join(f"{p.variable}: {p.wrong}. {p.cure}" for p in failed.problems))
    typer.echo(f"{made.file}: {made.size / 1e6:.1f} MB, {made.messages:,} messages, {made.seconds:.1f} s")


@cli.command()
def usage(
    period: Annotated[Period, typer.Option(help="Today, the last seven days or this month, in UTC.")] = Period.MONTH,
    by: Annotated[By, typer.Option(help="In which parts.")] = By.ALL,
    as_csv: Annotated[bool, typer.Option("--csv", help="With a header, in whole numbers, for programs.")] = False,
) -> None:
    """Say what was asked and what it cost, in each workspace. Works beside a running worker and needs no tokens."""
    import asyncio

    from bot import logs, usage_shell

    logs.configure("warning", "auto")
    raise typer.Exit(asyncio.run(usage_shell.report(period.value, by.value, as_csv=as_csv)))


@cli.command()
def manifest(platform: Annotated[Platform | None, typer.Argument(help="One platform alone.")] = None) -> None:
    """Print the Slack app manifest and Discord's invite link."""
    from rich.console import Console

    from bot import manifests

    manifests.show(Console(), platform.value if platform else None)


def _settings() -> Settings:
    from bot.environment import load

    try:
        return load()
    except StartFailed as failed:
        _refuse(failed)


def _refuse(failed: StartFailed) -> NoReturn:
    """Say in one list what keeps the bot from starting, and end."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("[bold]Parley can't start:[/bold]")
    for problem in failed.problems:
        console.print(f"  [bold red]✗ {problem.variable}[/bold red]: ", end="")
        console.print(problem.wrong, markup=False)
        if problem.cure:
            console.print(f"      {problem.cure}", markup=False, style="dim")
    console.print("  `python -m bot doctor` checks all of it; README.md walks through the set-up.", markup=False)
    raise typer.Exit(EXIT_TRY_AGAIN if failed.passing else EXIT_BAD_SETUP)


def _no_backup(why: str) -> NoReturn:
    typer.echo(f"No backup was made: {why}", err=True)
    raise typer.Exit(EXIT_BAD_SETUP)


def _drive(main: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        import asyncio

        asyncio.run(main)
    else:
        import uvloop  # there is none on Windows

        uvloop.run(main)


def main() -> None:
    """The console script."""
    cli()


if __name__ == "__main__":
    main()
