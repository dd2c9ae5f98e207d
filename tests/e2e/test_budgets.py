"""Budgets over the wire: never overrun, refused audibly, opened by more money, kept over a restart; and usage."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from bot.errors import StartFailed, StorageFailed
from bot.messages import Address, Author, CommandInvoked
from bot.serving import App
from bot.usage_view import table
from emulators.openai import Reply, errors
from emulators.openai.calls import Call
from storage.money import UsageTotals
from tests.e2e.asking import Corner
from tests.e2e.stage import Stage, stage
from tests.e2e.talk import Talk, idle

MODEL = {"OPENAI_MODEL": "gpt-4o-mini", "OPENAI_MAX_OUTPUT_TOKENS": "200", "PARLEY_PLATFORM_LIMITS": "none"}
# More than a question of these tests can cost with that: about 150 tokens at $0.15 and 200 at $0.60 a million.
WORST = 160
PARALLEL = 50
ENOUGH_FOR = 10
LONG = "word " * 150
SENTENCE = re.compile(r"budget.*of \$[\d.]+ for \w+ is used up.*It opens again on 1 \w+ \(UTC\)\.", re.DOTALL)


def price(calls: Iterable[Call]) -> int:
    """What the calls cost by the published price of gpt-4o-mini, in micro-dollars, each rounded by itself."""
    total = 0
    for call in calls:
        if call.usage is not None:
            u = call.usage
            exact = (
                (u.prompt - u.cached) * Decimal("0.15") + u.cached * Decimal("0.075") + u.completion * Decimal("0.6")
            )
            total += int(exact.to_integral_value(ROUND_HALF_UP))
    return total


def here(corner: Corner | Talk) -> Address:
    """The channel that people ask in."""
    if corner.platform == "slack":
        return Address("slack", corner.slack.team_id, corner.general.id)
    assert corner.studio.guild is not None
    return Address("discord", str(corner.studio.guild.id), str(corner.studio.id))


def asker(corner: Corner | Talk) -> str:
    return corner.ada.id if corner.platform == "slack" else str(corner.bob.id)


async def command(worker: App, corner: Corner | Talk, name: str, *arguments: str, admin: bool = True) -> str:
    """Give a command in that channel; what its giver reads. The channel is not told."""
    author = Author(asker(corner), "Ada", is_admin=admin, runs_workspace=admin)
    result = await worker.desk.commands.run(CommandInvoked(here(corner), author, name, arguments))
    return result.answer.text


async def totals(worker: App, corner: Corner | Talk) -> UsageTotals:
    address = here(corner)
    return await worker.store.usage.of_user(address.platform, address.workspace, asker(corner), 0)


def micros(amount: int) -> str:
    return str(Decimal(amount) / 1_000_000)


@pytest.fixture(params=["slack", "discord"])
def corner(on_stage: Stage, request: pytest.FixtureRequest) -> Corner:
    corner = Corner(on_stage, request.param)
    on_stage.extra |= {**MODEL, "PARLEY_ADMINS": corner.admin()}
    return corner


@pytest.mark.parametrize("whose", ["everybody's", "the channel's"])
async def test_many_who_ask_at_once_never_overrun_a_budget(corner: Corner, whose: str) -> None:
    limit = micros(WORST * ENOUGH_FOR)
    if whose == "everybody's":
        corner.stage.extra["PARLEY_MONTHLY_BUDGET_USD"] = limit
    corner.openai.script(*[Reply(LONG, first_token_delay=0.2)] * PARALLEL)
    async with corner.stage.worker() as worker:
        if whose == "the channel's":
            assert "budget" in await command(worker, corner, "set", "budget", limit)
        await asyncio.gather(*(corner.ask(f"question {n}") for n in range(PARALLEL)))
        shown = await corner.answered(worker, PARALLEL, timeout=60)
        refused = [text for text in shown if SENTENCE.search(text)]
        used = await totals(worker, corner)
        assert ENOUGH_FOR <= len(corner.openai.calls) < PARALLEL
        assert len(refused) == PARALLEL - len(corner.openai.calls)
        assert used.cost_micros == price(corner.openai.calls) <= WORST * ENOUGH_FOR
        assert await rows(worker, "reservations") == 0


async def rows(worker: App, name: str) -> int:
    query = f"SELECT count(*) FROM {name}"  # noqa: S608
    return await worker.store.database.read(lambda connection: connection.driver.execute(query).fetchone()[0])


@pytest.mark.parametrize("whose", ["user", "channel", "workspace", "everywhere"])
async def test_a_spent_budget_is_said_with_whose_it_is_and_no_call_is_made(corner: Corner, whose: str) -> None:
    names = {
        "user": "Your budget",
        "channel": "This channel's budget",
        "workspace": "This workspace's budget",
        "everywhere": "My budget for everybody together",
    }
    if whose == "everywhere":
        corner.stage.extra["PARLEY_MONTHLY_BUDGET_USD"] = "0.00001"
    async with corner.stage.worker() as worker:
        name = "user_budget" if whose == "user" else "budget"
        if whose != "everywhere":
            await command(worker, corner, "set", name, "0.00001", "channel" if whose == "channel" else "workspace")
        await corner.ask()
        [shown] = await corner.answered(worker)
        assert shown.startswith(f"{names[whose]} of $0.00001 for ")
        assert SENTENCE.search(shown)
        [told] = await corner.until_told(1)
        assert "budget" in told
        if whose != "everywhere":
            await command(worker, corner, "set", name, "5", "channel" if whose == "channel" else "workspace")
            corner.openai.script("There is money again.")
            await corner.ask("again")
            assert "There is money again." in await corner.answered(worker, 2)
    assert len(corner.openai.calls) == (whose != "everywhere")


async def test_eighty_percent_are_said_once_below_the_answer_and_to_the_admins_and_not_remembered(
    corner: Corner,
) -> None:
    # An answer of 150 tokens costs some 110 of these 830: the sixth or seventh crosses 664, and the eighth has no room.
    # So they do where no question takes the ones before it along.
    corner.stage.extra |= {"PARLEY_MONTHLY_BUDGET_USD": micros(830), "PARLEY_CHANNEL_MESSAGES": "0"}
    corner.openai.script(*[LONG] * 20)
    for first in (0, 5):
        async with corner.stage.worker() as worker:
            for n in range(first, first + 5):
                await corner.ask(f"number {n}")
                shown = await corner.answered(worker, n + 1)
    [line] = [text for text in shown if "% of my budget for everybody together" in text]
    assert line.startswith("word word")
    assert re.search(
        r"8\d % of my budget for everybody together of \$0\.00083 for \w+ is used; \$0\.000\d+ is left", line
    )
    assert SENTENCE.search(shown[-1])
    told = await corner.until_told(2)
    assert len([text for text in told if re.search(r"is used to 8\d %: ", text)]) == 1
    async with corner.stage.worker() as worker:
        stored = "SELECT text FROM messages WHERE role = 'assistant'"
        texts = await worker.store.database.read(lambda c: [text for (text,) in c.driver.execute(stored)])
    assert texts and not any("budget" in text for text in texts)
    assert price(corner.openai.calls) <= 830


async def test_what_is_used_equals_the_models_own_count_and_price(corner: Corner) -> None:
    corner.stage.extra["PARLEY_SYSTEM_MESSAGE"] = "Be brief. " * 400
    corner.openai.script("one", Reply(LONG), "three words here")
    async with corner.stage.worker() as worker:
        for n in range(3):
            await corner.ask(f"question {n}")
            await corner.answered(worker, n + 1)
        used = await totals(worker, corner)
        calls = corner.openai.calls
        assert any(call.usage and call.usage.cached for call in calls)
        usages = [call.usage for call in calls if call.usage is not None]
        assert used == UsageTotals(
            3,
            sum(u.prompt for u in usages),
            sum(u.cached for u in usages),
            sum(u.completion for u in usages),
            price(calls),
            0,
        )
        shown = await command(worker, corner, "usage", "model", "day", admin=True)
        assert table([("gpt-4o-mini-2024-07-18", used), ("**all together**", used)]) in shown
        mine = await command(worker, corner, "usage", admin=False)
        assert table([("you", used), ("this channel", used)]) in mine
        refused = await command(worker, corner, "usage", "user", admin=False)
        assert refused.startswith("What each user used is for admins to see") and "| you |" in refused
        by_user = await command(worker, corner, "usage", "user")
        name = "ada" if corner.platform == "slack" else "bob"
        assert f"| {name} | 3 |" in by_user
        by_channel = await command(worker, corner, "usage", "channel", "week")
        assert f"| #{'general' if corner.platform == 'slack' else 'studio'} | 3 |" in by_channel


async def test_usage_comes_over_the_wire_to_whoever_asks(corner: Corner) -> None:
    async with corner.stage.worker() as worker:
        await corner.ask()
        await corner.answered(worker)
        cost = f"${micros(price(corner.openai.calls)).rstrip('0')}"
        if corner.platform == "slack":
            await corner.slack.slash(corner.ada, corner.general, "/parley", "usage month model")
            await corner.slack.wait_for(lambda: cost in str(corner.slack.ephemerals), timeout=60)
        else:
            given = await corner.discord.slash(
                corner.bob, corner.studio, "parley", "usage", {"period": "month", "by": "model"}
            )
            await corner.discord.wait_for(lambda: cost in (given.content or ""), timeout=60)


async def test_what_broke_off_is_counted_and_settled(corner: Corner) -> None:
    corner.stage.extra |= {"PARLEY_MONTHLY_BUDGET_USD": "1", "PARLEY_OPENAI_PATIENCE": "1"}
    corner.openai.script(*[Reply(LONG, chunk_chars=5, cut_after=100)] * 20)
    async with corner.stage.worker() as worker:
        await corner.ask()
        await corner.answered(worker)
        used = await totals(worker, corner)
        assert used.unpriced == 0 and used.cost_micros > 0
        billed = sum(call.usage.prompt for call in corner.openai.calls if call.usage is not None)
        assert used.prompt_tokens == billed
        assert await rows(worker, "reservations") == 0


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_a_model_without_a_price_is_refused_where_a_budget_holds(tmp_path: Path, platform: str) -> None:
    async with stage(tmp_path, {"my-own": 8_000}) as scene:
        await without_a_price(Corner(scene, platform))


async def without_a_price(corner: Corner) -> None:
    async with corner.stage.worker() as worker:
        await command(worker, corner, "set", "budget", "5")
        assert "I don't know what the model `my-own` costs" in await command(worker, corner, "set", "model", "my-own")
        assert "is: 1/2/4" in await command(worker, corner, "set", "price", "1/2/4")
        assert "is: my-own" in await command(worker, corner, "set", "model", "my-own")
        # A price that is taken back is only met at the question.
        await command(worker, corner, "reset", "price")
        await corner.ask()
        [shown] = await corner.answered(worker)
        assert shown.startswith("I don't know what this channel's model costs")
    assert corner.openai.calls == []


async def test_a_price_that_is_set_counts_for_a_model_nobody_knows(tmp_path: Path) -> None:
    extra = {"OPENAI_MODEL": "my-own", "PARLEY_PRICE": "1/0.5/4", "PARLEY_MONTHLY_BUDGET_USD": "5"}
    async with stage(tmp_path, {"my-own": 8_000}) as scene:
        scene.extra |= extra
        talk = Talk(scene, "slack")
        async with scene.worker() as worker:
            await talk.ask()
            await talk.slack.wait_for(talk.answers)
            await idle(worker)
            used = await totals(worker, talk)
        [call] = scene.openai.calls
        assert call.usage is not None
        assert used.cost_micros == call.usage.prompt * 1 + call.usage.completion * 4
        assert used.unpriced == 0


async def test_the_start_is_refused_where_the_hosts_budget_could_not_be_kept(on_stage: Stage) -> None:
    on_stage.extra |= {"OPENAI_MODEL": "my-own", "PARLEY_USER_MONTHLY_BUDGET_USD": "5"}
    with pytest.raises(StartFailed) as failed:
        async with on_stage.worker():
            pass
    [problem] = failed.value.problems
    assert problem.variable == "OPENAI_MODEL" and "PARLEY_USER_MONTHLY_BUDGET_USD" in problem.wrong
    assert not (on_stage.folder / "parley.db").exists()


async def test_what_broke_off_of_a_try_and_what_was_void_is_counted_and_nothing_stays_set_aside(corner: Corner) -> None:
    corner.stage.extra |= {"PARLEY_MONTHLY_BUDGET_USD": "1", "OPENAI_MAX_OUTPUT_TOKENS": "400"}
    # One of the two questions ends in a refusal after so much; the other breaks off, and is asked once more.
    refusal = errors.stream_error(kind="invalid_request_error", code="content_policy_violation")
    refused = Reply(LONG, by_words=True, error_after=300, error=refusal)
    corner.openai.script(refused, Reply(LONG, by_words=True, cut_after=300, cut="end"), "whole")
    async with corner.stage.worker() as worker:
        shown = await command(worker, corner, "try", "temperature=0 | go")
        assert "whole" in shown
        used = await totals(worker, corner)
        assert await rows(worker, "reservations") == 0
    billed = [call.usage for call in corner.openai.calls if call.usage is not None]
    assert len(billed) == used.requests == 3
    assert used.prompt_tokens == sum(usage.prompt for usage in billed)
    assert used.cost_micros == price(corner.openai.calls)


async def test_a_try_over_a_store_that_fails_says_so_to_whoever_asked_for_it(corner: Corner) -> None:
    corner.stage.extra["PARLEY_MONTHLY_BUDGET_USD"] = "1"
    async with corner.stage.worker() as worker:
        await worker.store.database.write(lambda connection: connection.driver.execute("DROP TABLE reservations"))
        with pytest.raises(StorageFailed):
            await command(worker, corner, "try", "temperature=0 | go")
    assert corner.openai.calls == []
