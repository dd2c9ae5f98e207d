"""`parley turns`: the list of questions that failed, for the engineer paged at night, and what is done about each.

Works on the database alone (`attached.py`), beside a running worker or without one. How turns look is in
`turn_view.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from rich.console import Console

from bot import attached, turn_view
from bot.attached import EXIT_DONE, EXIT_NOTHING_DONE, note, say, say_json
from storage.dead_letters import DISCARDED, DeadLetters
from storage.records import REFERENCE_LENGTH, TurnState, now
from storage.turn_lines import Decision

# What fits on a screen or two; `--all` shows the rest.
SHOWN = 50
_EVERYTHING = 2**31 - 1

# Why a turn that has not failed is left alone.
_STANDING: dict[TurnState, str] = {
    "queued": "it waits to be answered already",
    "running": "it is being answered right now",
    "answered": "it has been answered",
    "cancelled": "it was cancelled, nobody asks it any more",
    "failed": "it failed only just now",
}

Wish = Literal["retry", "discard"]
Work = Callable[[DeadLetters], Awaitable[int]]


async def on_database(work: Work) -> int:
    """Do `work` on the turns of the database that the settings name; returns the exit code."""
    return await attached.on_database(lambda database: work(DeadLetters(database)))


def listing(*, open_too: bool, everything: bool, reason: str, as_json: bool) -> Work:
    """List the failed turns, newest first, and with `open_too` those that wait or run before them."""

    async def work(letters: DeadLetters) -> int:
        most = _EVERYTHING if everything else SHOWN
        still_open = await letters.open(most) if open_too else ()
        failed, count = await letters.failed(reason, most)
        lines = [*still_open, *failed]
        if as_json:
            say_json(*map(turn_view.line_data, lines))
        elif lines:
            console = Console(highlight=False)
            if console.is_terminal:
                console.print(turn_view.table(lines, now()))
            else:
                say(*turn_view.rows(lines))
        if open_too and not still_open:
            note("No turn is waiting or running.")
        if not count:
            note(_none_failed(reason))
        for name in sorted({line.failure for line in failed if line.failure in turn_view.MEANINGS}):
            note(f"{name}: {turn_view.MEANINGS[name]}")
        if count > len(failed):
            note(f"{count - len(failed)} more have failed; --all lists them.")
        if len(still_open) == most:
            note(f"There may be more than {most} that wait or run; --all lists them.")
        return EXIT_DONE

    return work


def showing(name: str, *, as_json: bool) -> Work:
    """Show everything of one turn, people's words included."""

    async def work(letters: DeadLetters) -> int:
        turn_id = await _find(letters, name)
        turn = None if turn_id is None else await letters.whole(turn_id)
        if turn is None:
            return EXIT_NOTHING_DONE
        if as_json:
            say_json(turn_view.page_data(turn))
        else:
            say(*turn_view.page(turn, now()))
        return EXIT_DONE

    return work


def deciding(wish: Wish, names: Sequence[str], *, reason: str, as_json: bool) -> Work:
    """Try failed turns again or discard them: those named, or where none is, all that failed (for `reason`).

    The exit code is 0 where it was done to each of them.
    """

    async def work(letters: DeadLetters) -> int:
        if names:
            found = [await _find(letters, name) for name in names]
            turn_ids = list(dict.fromkeys(turn_id for turn_id in found if turn_id is not None))
            all_known = None not in found
        else:
            turn_ids, all_known = list(await letters.failed_ids(reason)), True
            if not turn_ids:
                note(_none_failed(reason))
        decide = letters.retry if wish == "retry" else letters.discard
        done = 0
        async for decision in decide(turn_ids):
            done += decision.outcome == "done"
            if as_json:
                say_json(_decision_data(wish, decision))
            else:
                say(f"{decision.turn_id} (ref {decision.key[:REFERENCE_LENGTH]}): {_told(wish, decision)}")
        if done and wish == "retry":
            note("A running worker begins within about a second; `parley turns list --open` shows what waits.")
        return EXIT_DONE if done and done == len(turn_ids) and all_known else EXIT_NOTHING_DONE

    return work


async def _find(letters: DeadLetters, name: str) -> int | None:
    """The id of the one turn that `name` means; says why where there is not exactly one."""
    found = await letters.named(name)
    if len(found) == 1:
        return found[0][0]
    if not found:
        note(f"There is no turn {name}. A turn is named by its id or by the 8 characters after “ref” in the channel.")
    else:
        meant = " or ".join(f"turn {turn_id} (key {key})" for turn_id, key in found)
        note(f"{name} may mean {meant}. Name it by its whole key.")
    return None


def _told(wish: Wish, decision: Decision) -> str:
    match decision.outcome:
        case "done":
            done = "queued again" if wish == "retry" else "discarded"
            return f"{done}; it had failed with {decision.failure}"
        case "unasked":
            return "not queued: its questions were deleted since, nobody asks it any more; it can be discarded"
        case "forgotten":
            return "not queued: the command, or what it was to say, is not kept any more; it can be discarded"
        case "not_failed":
            discarded = (decision.failure or "").startswith(DISCARDED)
            return f"nothing done: {'it was discarded' if discarded else _STANDING[decision.state]}"


def _decision_data(wish: Wish, decision: Decision) -> dict[str, Any]:
    return {
        "id": decision.turn_id,
        "ref": decision.key[:REFERENCE_LENGTH],
        "key": decision.key,
        "wish": wish,
        "done": decision.outcome == "done",
        "state_before": decision.state,
        "failure": decision.failure,
        "said": _told(wish, decision),
    }


def _none_failed(reason: str) -> str:
    return f"No turn has failed with {reason}." if reason else "No turn has failed."
