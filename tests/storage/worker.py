"""A second process on one database, for the tests of two: `python -m tests.storage.worker ROLE URL NAME`."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

from sqlalchemy import text

from bot.errors import LeaseLost
from bot.messages import Address
from storage import Store
from storage.connection import Connection
from storage.records import Answer, SentPart
from tests.storage.people import asks, says

MESSAGES = 40
CONVERSATIONS = 7
# Shorter than some turns last, so that leases run out while their holder is at work.
LEASE_SECONDS = 0.02
HELD_SECONDS = 0.5


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def race(store: Store, name: str) -> None:
    """Take in the same messages as the other, in an order of its own, and answer turns until there are none."""
    numbers = list(range(MESSAGES))
    order = random.Random(name)
    order.shuffle(numbers)
    outcomes: dict[str, str] = {}
    finished: list[int] = []
    lost = 0
    while True:
        if numbers:
            number = numbers.pop()
            thread = f"t{number % CONVERSATIONS}"
            message = says(f"m{number}", at=number, address=Address("slack", "T1", "C1", thread))
            accepted = await store.inbox.accept(message, thread, rule=asks, complete=True)
            outcomes[message.id] = accepted.outcome
        claim = await store.turns.claim(name, LEASE_SECONDS, ["slack"])
        if claim is None:
            if not numbers and not await store.turns.open_count():
                break
            continue
        await asyncio.sleep(order.choice((0, 0, 0, 0, 2 * LEASE_SECONDS)))
        try:
            await store.turns.intend_part(claim, 1)
            await store.turns.confirm_part(claim, SentPart(1, f"a{claim.turn_id}"))
            await store.turns.finish(claim, "answered", answer=Answer(f"a{claim.turn_id}", "B", name, "hi"))
        except LeaseLost:
            lost += 1
        else:
            finished.append(claim.turn_id)
    _say({"outcomes": outcomes, "finished": finished, "lost": lost})


async def hold(store: Store, name: str) -> None:
    """Claim a turn and stay at it."""
    claim = await store.turns.claim(name, HELD_SECONDS, ["slack"])
    _say(claim is not None)
    await asyncio.sleep(60)


async def stick(store: Store, _name: str) -> None:
    """Stay in the middle of a transaction."""

    def work(connection: Connection) -> None:
        connection.execute(text("UPDATE turns SET state = 'failed'"))
        _say(True)
        time.sleep(60)

    await store.database.write(work)


async def main(role: str, url: str, name: str) -> None:
    """Open the store and play a role in it."""
    store = await Store.open(url)
    await {"race": race, "hold": hold, "stick": stick}[role](store, name)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
