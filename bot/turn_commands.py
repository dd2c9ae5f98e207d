"""`parley turns …`: the command line of the turns that failed. What the commands do is in `dead_letters.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from bot.dead_letters import Wish, Work

turns = typer.Typer(
    no_args_is_help=True,
    help="The questions that failed, and what to do about them. Works beside a running worker and needs no tokens. "
    "A turn is named by its id, or by the 8 characters after “ref” in the channel.",
)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Which ones.", show_default=False)]
AllFailed = Annotated[bool, typer.Option("--all", help="All that failed.")]
Failure = Annotated[str, typer.Option("--failure", metavar="NAME", help="Those that failed so: QuotaExhausted, …")]


@turns.command("list")
def list_turns(
    open_too: Annotated[bool, typer.Option("--open", help="Those that wait or run too.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="However many there are.")] = False,
    failure: Failure = "",
    as_json: AsJson = False,
) -> None:
    """List the failed ones, newest first."""
    from bot import dead_letters

    _on_turns(dead_letters.listing(open_too=open_too, everything=everything, reason=failure, as_json=as_json))


@turns.command("show")
def show_turn(
    name: Annotated[str, typer.Argument(metavar="ID", help="Which one.", show_default=False)], as_json: AsJson = False
) -> None:
    """Show everything of one, the questions' text included."""
    from bot import dead_letters

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
    from bot import dead_letters

    if bool(names) == (all_failed or bool(failure)):
        raise typer.BadParameter("name the turns, or pick them by --all or --failure NAME: one of the two")
    _on_turns(dead_letters.deciding(wish, names or (), reason=failure, as_json=as_json))


def _on_turns(work: Work) -> NoReturn:
    import asyncio

    from bot import dead_letters, logs

    logs.configure("warning", "auto")
    raise typer.Exit(asyncio.run(dead_letters.on_database(work)))
