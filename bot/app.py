"""The composition root: the one place that knows every room. Builds them, runs them, ends them in order."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from bot import budgets, health, host_keys, logs, troubles
from bot.adapter import Adapter, Description
from bot.admission import Admission
from bot.alerts import Alerts
from bot.asking import Asker
from bot.backend import models, tokens
from bot.backend.client import Backend
from bot.backend.config import BackendConfig
from bot.backend.retries import KeyFailed
from bot.backlog import Backlog, Event
from bot.capabilities import ReadsMissed
from bot.catchup import CatchUp
from bot.command_turns import CommandTurns
from bot.commands import COMMANDS, Commands, Run
from bot.controls.held import HeldControls
from bot.desk import Desk
from bot.drawing import Drawing
from bot.engine import Engine
from bot.environment import keys_of_host
from bot.errors import ModelFailure, StartFailed
from bot.files.attaching import Attaching
from bot.files.enclosures import Enclosures
from bot.files.limits import FileLimits
from bot.files.opener import Opener
from bot.files.reading import FileReader
from bot.files.taking_back import TakingBack
from bot.forgetting import Forgetting
from bot.heartbeat import Heartbeat
from bot.holds import Holds
from bot.home import Home
from bot.host_keys import HostKeys
from bot.intake import Intake
from bot.key_checks import KeyCheck
from bot.key_files import KeyFiles
from bot.lag import LoopLag
from bot.lately import Lately
from bot.limits import Limits
from bot.messages import ReactionAdded, ReactionRemoved
from bot.model_checks import ModelCheck
from bot.muting import Muting
from bot.notices import Notices
from bot.offering import Offering
from bot.pacing import Pace
from bot.pictures import Pictures
from bot.pressing import Pressing
from bot.rating import Rating
from bot.reservations import Reservations
from bot.retention import Sweep
from bot.revisions import Revising
from bot.serving import App
from bot.setting_commands import SettingCommands
from bot.settings import Settings
from bot.stopping import Stopping
from bot.summaries import Summarising
from bot.surroundings import Surroundings
from bot.trying import Trying
from bot.turn import TurnRunner
from bot.turn_ends import TurnEnds
from bot.usage_command import UsageCommand
from storage import Store, restoring

log = structlog.get_logger(__name__)

YOUNG_OBJECTS = 5_000
"""After so many objects that were made and not let go of, some 30 answers', garbage is looked for among them. Python's
own 700 take a hundredth of an answer's time more (docs/performance.md)."""

# A rate limit that names its end is waited out for this long, however short the patience with other failures is.
LONGEST_NAMED_WAIT_SECONDS = 120.0


def build_adapters(settings: Settings) -> dict[str, Adapter]:
    """An adapter for each platform whose tokens are set.

    Loaded only then: a platform's SDK is up to a fifth of a start, which a worker of the other platform need not pay.
    """
    adapters: dict[str, Adapter] = {}
    if settings.slack_bot_token and settings.slack_app_token:
        from adapters.slack.adapter import SlackAdapter  # noqa: PLC0415 (see above)

        adapters["slack"] = SlackAdapter(
            settings.slack_bot_token.get_secret_value(),
            settings.slack_app_token.get_secret_value(),
            settings.slack_api_url,
            planned=settings.parley_platform_limits == "published",
            streams=settings.parley_slack_streams,
        )
    if settings.discord_bot_token:
        from adapters.discord.adapter import DiscordAdapter  # noqa: PLC0415 (see above)

        adapters["discord"] = DiscordAdapter(
            settings.discord_bot_token.get_secret_value(),
            settings.discord_api_url,
            COMMANDS,
            planned=settings.parley_platform_limits == "published",
        )
    return adapters


def build_enclosures(settings: Settings, store: Store) -> Enclosures:
    """What opens what people send, within the host's limits."""
    limits = FileLimits(
        bytes=round(settings.parley_files_megabytes * 1024 * 1024),
        per_message=settings.parley_files_per_message,
        characters=settings.parley_files_characters,
        types=settings.parley_files_types,
    )
    opener = Opener(settings.parley_files_seconds)
    return Enclosures(store.inbox, FileReader(store.files, opener, limits), Pictures(opener, limits))


def limits_of(settings: Settings) -> Limits:
    """The bot's own limits, as the settings want them."""
    return Limits(
        settings.parley_user_messages_per_minute,
        settings.parley_thread_messages_per_minute,
        settings.parley_channel_messages_per_minute,
        settings.parley_workspace_messages_per_minute,
    )


def takes_in(intake: Intake, rating: Rating) -> Callable[[Event], Awaitable[None]]:
    """Where events go: what people think of answers has a room of its own."""

    async def take_in(event: Event) -> None:
        if isinstance(event, ReactionAdded | ReactionRemoved):
            await rating.reacted(event)
        else:
            await intake.receive(event)

    return take_in


def describing(connected: Mapping[str, Adapter]) -> Callable[[str], Description | None]:
    """What tells who the bot is on a platform, by its name; None where that is not connected yet."""

    def describe(platform: str) -> Description | None:
        return connected[platform].describe() if platform in connected else None

    return describe


def build_backend(settings: Settings, keys: HostKeys, on_key_failed: KeyFailed | None = None) -> Backend:
    """The model's client, as the settings want it, with the named keys beside the host's own."""
    return Backend(
        BackendConfig(
            keys=settings.openai_api_key,
            named=keys.named,
            base_url=settings.openai_base_url,
            first_token_timeout=settings.parley_openai_first_token_timeout,
            idle_timeout=settings.parley_openai_idle_timeout,
            retry_for=settings.parley_openai_patience,
            wait_out=max(settings.parley_openai_patience, LONGEST_NAMED_WAIT_SECONDS),
            concurrency=settings.parley_concurrency,
        ),
        on_key_failed=on_key_failed,
    )


def watch_keys(settings: Settings, keys: HostKeys, backend: Backend, alerts: Alerts) -> KeyFiles | None:
    """What takes changed key files up; None where there is no folder of them."""
    if not settings.parley_secrets_dir:
        return None
    own = host_keys.own_file(Path(settings.parley_secrets_dir), settings.openai_api_key)
    fixed = keys.in_variables if own else keys.in_variables | {""}
    watched = KeyFiles(Path(settings.parley_secrets_dir), fixed, backend.replace_keys, alerts)
    watched.begin_with({**keys.named, "": settings.openai_api_key})
    return watched


@asynccontextmanager
async def build(
    settings: Settings, stop: asyncio.Event | None = None, offered: Mapping[str, Adapter] | None = None
) -> AsyncIterator[App]:
    """A worker with its database open; `stop` ends its serving. `offered` are platforms in place of those whose tokens
    are set. Raises `StartFailed`."""
    if problems := budgets.problems(settings):
        raise StartFailed(problems)
    store = await _open_store(settings, for_platforms=offered is None)
    life = store.begin_work()
    tables = asyncio.create_task(asyncio.to_thread(_load_tables, settings.openai_model))
    try:
        connected: dict[str, Adapter] = {}
        paces: dict[str, Pace] = {}
        holds = Holds()
        alerts = Alerts(store.marks, settings.parley_admins, connected)
        await alerts.recall()

        def on_key_failed(label: str, failure: ModelFailure) -> None:
            alerts.tell(troubles.with_key(label, failure))

        named = keys_of_host(settings)
        async with build_backend(settings, named, on_key_failed) as backend:
            reservations = Reservations(store.budgets, store.marks, alerts, settings, backend.limits_length)
            summarising = Summarising(store.summaries, backend, store.usage, reservations)
            asker = Asker(store.history, backend, settings, alerts, reservations, summarising)
            controls = HeldControls(store.controls, settings)
            limits = limits_of(settings)
            # The last one may ask the provider.
            checks = (
                KeyCheck(lambda: backend.secrets), budgets.price_check, ModelCheck(backend, store.usage, reservations)
            )  # fmt: skip
            trying = Trying(controls, settings, backend, store.usage, limits, connected, reservations, checks)
            others: dict[str, Run] = {"try": trying.run}
            commands = Commands(SettingCommands(controls, settings, checks), others)
            attaching = Attaching(store.files, paces)
            surroundings = Surroundings(store, settings, paces, Lately())
            runner = TurnRunner(
                store,
                asker,
                CommandTurns(commands, attaching),
                controls,
                settings,
                connected,
                paces,
                alerts,
                build_enclosures(settings, store),
                attaching,
                TurnEnds(store.turns, settings, alerts, TakingBack(store.files), surroundings.lately),
                surroundings,
            )
            engine = Engine(
                store.turns,
                life,
                runner.run,
                connected,
                concurrency=settings.parley_concurrency,
                lease_seconds=settings.parley_lease_seconds,
                held=lambda: holds.lasts,
            )
            offered = build_adapters(settings) if offered is None else offered
            stopping = Stopping(engine, store.answers, settings)
            others["stop"] = stopping.run
            others["usage"] = UsageCommand(
                store.usage, store.budgets, controls, settings, connected, Drawing(), left=backend.limits_left
            ).run
            forgetting = Forgetting(store.memory, store.controls, engine, settings)
            others["forget"] = forgetting.run
            muting = Muting(controls, store.memory)
            others |= {"mute": muting.mute, "unmute": muting.unmute}

            offering = Offering(store.answers, controls, connected)
            intake = Intake(
                store.inbox,
                Revising(store.revisions, store.marks, engine.leases, offering.edited),
                controls,
                Admission(settings, limits),
                describing(connected),
                engine.wake,
                engine.reserved,
                surroundings.at_hand,
                stopping.at_once,
                forgetting.at_once,
                holds,
            )
            desk = Desk(
                backlog=Backlog(takes_in(intake, Rating(store.ratings))),
                commands=commands,
                pressing=Pressing(
                    store.answers,
                    store.ratings,
                    controls,
                    settings,
                    limits,
                    reservations,
                    stopping,
                    offering,
                    engine.wake,
                ),
                controls=controls,
                home_page=Home(controls, settings, store.usage),
                engine=engine,
                settings=settings,
                offered=offered,
                connected_adapters=connected,
                paces=paces,
                catch_ups={
                    name: CatchUp(name, adapter, store, intake, settings)
                    for name, adapter in offered.items()
                    if isinstance(adapter, ReadsMissed)
                },
                alerts=alerts,
                notices=Notices(connected),
                lately=surroundings.lately,
            )
            lag = LoopLag()
            heartbeat = Heartbeat(
                health.path_of(settings.database_url, settings.parley_health_file),
                every=settings.parley_health_seconds,
                store=store,
                adapters=desk.offered,
                model=backend.standing,
                lag=lag,
            )
            sweep = Sweep(store.retention, store.marks, settings)
            key_files = watch_keys(settings, named, backend, alerts)
            yield App(
                settings, store, backend, desk, lag, heartbeat, sweep, summarising, key_files, stop or asyncio.Event()
            )
    finally:
        await asyncio.gather(tables, return_exceptions=True)  # what fails there, a question meets too
        await store.close()
        life.end()


async def _open_store(settings: Settings, *, for_platforms: bool) -> Store:
    """The database; one that is a backup is taken up `for_platforms`: a chat in the terminal leaves it what it is."""
    store = await Store.open(settings.database_url)
    if for_platforms:
        try:
            await restoring.take_up(store.database)
        except BaseException:
            await store.close()
            raise
    return store


def _load_tables(model: str) -> None:
    """Read what is known of tokens and models: 0.3 s of computing that the first question should not wait for."""
    tokens.load(model)
    models.load(model)


async def run(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT; a second signal ends the process at once."""
    stop = asyncio.Event()

    def on_signal(name: signal.Signals) -> None:
        if stop.is_set():
            # The database is safe at any moment, and the system lets go of the rest.
            log.warning("stopped_at_once")
            os._exit(128 + name)
        stop.set()

    # Before anything is opened: a host may stop the bot while it waits for a database that is held.
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.loop_exception)
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, on_signal, name)
    async with build(settings, stop) as app:
        # What a start leaves stays. To search it for garbage now and then would stop everything for a quarter of a
        # second, a twentieth of all the time that a busy bot takes.
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)
        gc.enable()
        await app.serve()
