"""The command line: `python -m bot run`, `parley doctor`, … Each command loads only what it needs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import structlog
import typer
from rich.console import Console

from bot import logs
from bot.errors import StartFailed
from bot.settings import Settings, load, unknown_variables

if TYPE_CHECKING:
    from bot.dead_letters import Wish, Work

log = structlog.get_logger(__name__)

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    help="Parley answers in a team's Slack and Discord through OpenAI. Without a command it runs the worker.",
)

turns = typer.Typer(
    no_args_is_help=True,
    help="The questions that failed, and what to do about them. Works beside a running worker and needs no tokens. "
    "A turn is named by its id, or by the 8 characters after “ref” in the channel.",
)
cli.add_typer(turns, name="turns")
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Which ones.", show_default=False)]
AllFailed = Annotated[bool, typer.Option("--all", help="All that failed.")]
Failure = Annotated[str, typer.Option("--failure", metavar="NAME", help="Those that failed so: QuotaExhausted, …")]

EXIT_BAD_SETUP = 2


class Platform(Enum):
    """What an argument may name."""

    SLACK = "slack"
    DISCORD = "discord"


@cli.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """Run the worker where no command is named."""
    if context.invoked_subcommand is None:
        run()


@cli.command()
def run() -> None:
    """Run the worker in the foreground until SIGTERM or Ctrl-C."""
    from bot import app  # noqa: PLC0415 - the platforms' SDKs take a second to import; bad settings needn't wait

    settings = _settings()
    logs.configure(settings.parley_log_level, settings.parley_log_format)
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
    from bot.demo import show  # noqa: PLC0415

    raise typer.Exit(asyncio.run(show(picture, acts=not talk)))


@cli.command()
def doctor() -> None:
    """Check the settings, the database, the model and the platforms, and say what would cure what is wrong."""
    from bot import doctor as examination  # noqa: PLC0415

    logs.configure("warning", "auto")
    raise typer.Exit(asyncio.run(examination.examine(Console())))


@cli.command()
def manifest(platform: Annotated[Platform | None, typer.Argument(help="One platform alone.")] = None) -> None:
    """Print the Slack app manifest and Discord's invite link."""
    from bot import manifests  # noqa: PLC0415

    manifests.show(Console(), platform.value if platform else None)


@turns.command("list")
def list_turns(
    open_too: Annotated[bool, typer.Option("--open", help="Those that wait or run too.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="However many there are.")] = False,
    failure: Failure = "",
    as_json: AsJson = False,
) -> None:
    """List the failed ones, newest first."""
    from bot import dead_letters  # noqa: PLC0415

    _on_turns(dead_letters.listing(open_too=open_too, everything=everything, reason=failure, as_json=as_json))


@turns.command("show")
def show_turn(
    name: Annotated[str, typer.Argument(metavar="ID", help="Which one.", show_default=False)], as_json: AsJson = False
) -> None:
    """Show everything of one, the questions' text included."""
    from bot import dead_letters  # noqa: PLC0415

    _on_turns(dead_letters.showing(name, as_json=as_json))


@turns.command()
def retry(names: Names = None, all_failed: AllFailed = False, failure: Failure = "", as_json: AsJson = False) -> None:
    """Have failed ones tried again: the answer takes the place of the sentence that stands there."""
    _decide("retry", names, all_failed, failure, as_json)


@turns.command()
def discard(names: Names = None, all_failed: AllFailed = False, failure: Failure = "", as_json: AsJson = False) -> None:
    """Take failed ones off the list for good."""
    _decide("discard", names, all_failed, failure, as_json)


def _decide(wish: Wish, names: list[str] | None, all_failed: bool, failure: str, as_json: bool) -> None:
    from bot import dead_letters  # noqa: PLC0415

    if bool(names) == (all_failed or bool(failure)):
        raise typer.BadParameter("name the turns, or pick them by --all or --failure NAME: one of the two")
    _on_turns(dead_letters.deciding(wish, names or (), reason=failure, as_json=as_json))


def _on_turns(work: Work) -> NoReturn:
    from bot import dead_letters  # noqa: PLC0415

    logs.configure("warning", "auto")
    raise typer.Exit(asyncio.run(dead_letters.on_database(work)))


def _settings() -> Settings:
    try:
        return load()
    except StartFailed as failed:
        _refuse(failed)


def _refuse(failed: StartFailed) -> NoReturn:
    """Say in one list what keeps the bot from starting, and end."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("[bold]Parley can't start:[/bold]")
    for problem in failed.problems:
        console.print(f"  [bold red]✗ {problem.variable}[/bold red]: ", end="")
        console.print(problem.wrong, markup=False)
        if problem.cure:
            console.print(f"      {problem.cure}", markup=False, style="dim")
    console.print("  `python -m bot doctor` checks all of it; README.md walks through the set-up.", markup=False)
    raise typer.Exit(EXIT_BAD_SETUP)


def _drive(main: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(main)
    else:
        import uvloop  # noqa: PLC0415 - there is none on Windows

        uvloop.run(main)


def main() -> None:
    """The console script."""
    cli()


if __name__ == "__main__":
    main()
