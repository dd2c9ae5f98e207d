"""`parley doctor`: every check in one screen, ✓ or ✗ with the cure. Reads and asks; a database that
is not there yet is made, as the first start would.

What can be asked of a platform is that platform's adapter's knowledge; here the checks are put in order and shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from rich.console import Console
from rich.markup import escape

from adapters.discord import doctor as discord_doctor
from adapters.slack import doctor as slack_doctor
from bot import budgets, environment
from bot.app import build_backend
from bot.backend.client import Backend
from bot.checks import Check
from bot.errors import (
    DatabaseUnusable,
    KeyRefused,
    ModelFailure,
    ModelRateLimited,
    ModelUnknown,
    QuotaExhausted,
    StorageFailed,
)
from bot.host_keys import variable_of
from bot.settings import Settings
from storage import Store

EXIT_WELL = 0
EXIT_ILL = 1
# A check that hangs is a finding, not a reason to wait.
SECONDS_PER_CHECK = 30.0
_RESTORE = "Stop the bot, keep the damaged file aside, and restore a backup: README.md says how."
_LOOK_AT_DISK = "Look at its disk: is there space left, is it still attached?"
_FINDINGS: dict[type[ModelFailure], str] = {
    KeyRefused: "the key is refused",
    QuotaExhausted: "the account has used up its quota",
    ModelUnknown: "there is no such model for this key",
    ModelRateLimited: "the key is taken, but too busy right now",
}


async def examine(console: Console) -> int:
    """Run every check, print the findings, and return the exit code: 0 where all is well, 1 where not."""
    settings, problems = environment.read()
    problems += budgets.problems(settings)
    findings: list[tuple[str, Sequence[Check]]] = [
        (
            "Settings",
            [Check(p.variable, ok=False, detail=p.wrong, cure=p.cure) for p in problems]
            or [Check("settings", ok=True, detail="complete and well formed")],
        )
    ]
    asked: list[tuple[str, Awaitable[Sequence[Check]]]] = []
    if settings.openai_api_key:
        asked.append(("OpenAI", _model(settings)))
    if settings.slack_bot_token and settings.slack_app_token:
        asked.append(
            (
                "Slack",
                slack_doctor.check(
                    settings.slack_bot_token.get_secret_value(),
                    settings.slack_app_token.get_secret_value(),
                    settings.slack_api_url,
                ),
            )
        )
    if settings.discord_bot_token:
        asked.append(
            ("Discord", discord_doctor.check(settings.discord_bot_token.get_secret_value(), settings.discord_api_url))
        )
    # How long the database takes is a matter of its size.
    database, *answers = await asyncio.gather(
        _database(settings), *(_within_time(name, check) for name, check in asked)
    )
    findings.append(("Database", database))
    findings += [(name, answer) for (name, _), answer in zip(asked, answers, strict=True)]
    for name, checks in findings:
        _show(console, name, checks)
    ill = sum(not check.ok for _, checks in findings for check in checks)
    console.print()
    console.print("[bold green]All is well.[/]" if not ill else f"[bold red]{ill} to cure.[/]")
    return EXIT_ILL if ill else EXIT_WELL


async def _within_time(name: str, checks: Awaitable[Sequence[Check]]) -> Sequence[Check]:
    try:
        async with asyncio.timeout(SECONDS_PER_CHECK):
            return await checks
    except TimeoutError:
        wrong = f"no answer within {SECONDS_PER_CHECK:g} seconds"
        return [Check(name, ok=False, detail=wrong, cure="Look at this machine's network and proxy settings.")]


async def _database(settings: Settings) -> Sequence[Check]:
    try:
        store = await Store.open(settings.database_url)
    except DatabaseUnusable as unusable:
        return [Check(p.variable, ok=False, detail=p.wrong, cure=p.cure) for p in unusable.problems]
    try:
        if damage := await store.database.damage():
            return [Check("database", ok=False, detail=f"the file is damaged ({damage})", cure=_RESTORE)]
        waiting = await store.turns.open_count()
    except StorageFailed as failure:
        return [Check("database", ok=False, detail=f"it cannot be read ({failure})", cure=_LOOK_AT_DISK)]
    finally:
        await store.close()
    return [Check("database", ok=True, detail=f"opens, is whole and up to date; {waiting} questions waiting")]


async def _model(settings: Settings) -> Sequence[Check]:
    async with build_backend(settings, environment.keys_of_host(settings)) as backend:
        checks = await asyncio.gather(
            _own_keys(backend, settings.openai_model), *(_named_keys(backend, name) for name in backend.secrets)
        )
    return list(checks)


async def _own_keys(backend: Backend, model: str) -> Check:
    try:
        await backend.check(model)
    except ModelFailure as failure:
        cure = "Look at OPENAI_API_KEY, OPENAI_MODEL and OPENAI_BASE_URL, and at the account's billing."
        return Check(model, ok=False, detail=_said(failure), cure=cure)
    return Check(model, ok=True, detail="the key is taken and the model answers")


async def _named_keys(backend: Backend, name: str) -> Check:
    variable = variable_of(name)
    try:
        await backend.check_keys(name)
    except ModelFailure as failure:
        return Check(
            variable, ok=False, detail=_said(failure), cure=f"Look at {variable} and at its account's billing."
        )
    return Check(variable, ok=True, detail=f"nothing is said against it; `set key {name}` chooses it")


def _said(failure: ModelFailure) -> str:
    said = _FINDINGS.get(type(failure), "the model did not answer")
    return f"{said} ({failure.detail})" if failure.detail else said


def _show(console: Console, name: str, checks: Sequence[Check]) -> None:
    console.print(f"\n[bold]{name}[/]")
    for check in checks:
        mark = "[green]✓[/]" if check.ok else "[red]✗[/]"
        console.print(f"  {mark} {escape(check.name)}: {escape(check.detail)}", highlight=False, soft_wrap=True)
        if check.cure:
            console.print(
                f"      → {escape(check.cure)}", style="dim" if check.ok else "yellow", highlight=False, soft_wrap=True
            )
