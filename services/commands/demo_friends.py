"""Which customers of the demo recommended its shop to others, by seeded choices, and what that came to."""

import datetime as dt
import random
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from services.commands import demo_pairs
from services.commands.demo_pairs import Two
from services.points.service import PointsService
from services.points.summary import buyers, sold
from services.referrals.commands import ClaimCode, Command, HearPurchase, MakeCode, Outcome, Request
from services.referrals.programme import Programme
from services.referrals.rules import codes
from services.referrals.service import ReferralsService
from services.referrals.summary import Recommended, recommended
from shared.contracts.purchases import PurchaseCompleted
from shared.requests import Origin

SEED = 1997
REFERRERS, MOST = 120, 8
"""So many customers bring friends, and none more than so many."""
TOO_LATE, THEIR_OWN = 0.05, 0.02
AT_ONCE = 500
CLAIMS = uuid.UUID("8b1f3a52-6a0e-4c0f-9b56-0d1c1b7a1997")

DAY = dt.timedelta(days=1)

PROGRAMME = Programme.model_validate(
    {
        "time_zone": "America/New_York",
        "currency": "USD",
        "friend": {"kind": "points", "points": 50},
        "referrer": {"kind": "points", "points": 100},
        "minimum": "10.00",
        "ladder": [{"count": 5, "benefit": {"kind": "points", "points": 250}}],
        "claims_per_referrer_and_day": None,
    }
)

IN_WORDS = {"bought-before": "had bought before", "own-code": "used their own code"}


class Friend(NamedTuple):
    """Whose code somebody claimed, and when."""

    customer_id: str
    referrer_id: str
    claimed_at: dt.datetime


async def recommend(
    points: PointsService, referrals: ReferralsService, shop_id: str, opening: dt.datetime
) -> Recommended:
    """Have friends come by recommendation, unless they did before, and sum up."""
    await _publish(referrals, opening)
    async with points.engine.connect() as connection:
        friends = chosen(await buyers(connection, shop_id))
        twos = together(friends)
        heard_of = {each.customer_id for each in friends} | {each.customer_id for each in twos}
        purchases = await sold(connection, shop_id, sorted(heard_of))
    await _claim(referrals, friends)
    (offered,) = await _book(referrals, [demo_pairs.offer()])
    if offered.is_new:
        await _book(referrals, demo_pairs.beginning(twos))
    await _book(referrals, [_heard(each, referrals.clock()) for each in purchases])
    async with referrals.engine.connect() as connection:
        return await recommended(connection)


async def _publish(referrals: ReferralsService, opening: dt.datetime) -> None:
    """Give the books a programme for those days, unless their shop has published one."""
    async with referrals.engine.begin() as connection:
        if (await referrals.lifecycle.versions(connection)).latest == 1:
            now = referrals.clock()
            await referrals.lifecycle.publish(connection, PROGRAMME, valid_from=opening, now=now, actor="loyalty demo")


def chosen(first: dict[str, dt.datetime]) -> list[Friend]:
    """Return who came by whose recommendation, the same with every run; `first` says when each bought first.

    Early customers bring later ones, some more than others. A few claim only after their first purchase, or their own code.
    """
    rng = random.Random(SEED)  # noqa: S311 - what is drawn is no secret
    names = list(first)
    early, late = names[: len(names) // 4], names[len(names) // 4 :]
    referrers = rng.sample(early, min(REFERRERS, len(early)))
    places = [name for place, name in enumerate(referrers) for _ in range(1 + place % MOST)]
    friends = rng.sample(late, min(len(places), len(late)))
    return [_friend(name, referrer, first[name], rng.random()) for name, referrer in zip(friends, places, strict=False)]


def _friend(name: str, referrer: str, bought_at: dt.datetime, luck: float) -> Friend:
    if luck < TOO_LATE:
        return Friend(name, referrer, bought_at + 7 * DAY)
    return Friend(name, name if luck > 1 - THEIR_OWN else referrer, bought_at - DAY)


def together(friends: Sequence[Friend]) -> list[Two]:
    """Return the first friend of each customer who brings any: these two are offered something for both."""
    first = {each.referrer_id: each for each in reversed(friends) if each.referrer_id != each.customer_id}
    return [Two(name, each.customer_id, each.claimed_at) for name, each in sorted(first.items())[: demo_pairs.MOST]]


async def _claim(referrals: ReferralsService, friends: Sequence[Friend]) -> None:
    names = sorted({each.referrer_id for each in friends})
    outcomes = await _book(referrals, [MakeCode(name, codes.generate()) for name in names])
    known = {name: each.named.code for name, each in zip(names, outcomes, strict=True) if each.named is not None}
    await _book(
        referrals,
        [
            ClaimCode(_name(each), known[each.referrer_id], each.customer_id, each.claimed_at, "rest")
            for each in friends
        ],
    )


def _name(friend: Friend) -> str:
    return str(uuid.uuid5(CLAIMS, friend.customer_id))


def _heard(purchase: dict[str, Any], now: dt.datetime) -> Command:
    """Let a purchase be heard that else comes with all the others, as soon as the services run."""
    as_written = {"total": str(purchase["total"]), "occurred_at": purchase["occurred_at"].isoformat()}
    said = PurchaseCompleted.model_validate(purchase | as_written)
    return HearPurchase(said, Origin(f"/imports/{said.shop_id}", f"purchase/{said.invoice_number}", now))


async def _book(referrals: ReferralsService, commands: Sequence[Command]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for place in range(0, len(commands), AT_ONCE):
        reply = await referrals.submit(Request(list(commands[place : place + AT_ONCE])))
        outcomes += reply.outcomes
    return outcomes


# What a shop's owner is told


def show(sums: Recommended, out: Console) -> None:
    """Tell who came by recommendation, and what it brought and cost."""
    out.print(_totals(sums))
    out.print(_best(sums))
    out.print(
        "[dim]A friend gets 50 points with the first purchase of 10 USD or more. Whoever brought them gets 100, 14 days"
        " later, when it can't be given back any more, and 250 more for the fifth friend.[/]",
        highlight=False,
    )
    demo_pairs.show(sums.pairs, sums.pair_points, out)


def _totals(sums: Recommended) -> Table:
    totals = sums.totals
    table = Table(title="customers who bring friends", show_header=False)
    table.add_row("customers whose code was used", f"{totals['referrers']:,}")
    table.add_row("friends who came with it", f"{totals['friends']:,}")
    table.add_row("of them bought enough", f"{totals['buyers']:,} ({totals['buyers'] / (totals['friends'] or 1):.0%})")
    table.add_row("what these friends bought in all", f"{totals['turnover']:,.2f} {PROGRAMME.currency}")
    table.add_row("points that both sides got", f"{totals['points']:,}")
    for reason, claims in sums.rejected.items():
        table.add_row(f"turned away: {IN_WORDS.get(reason, reason)}", f"{claims:,}")
    return table


def _best(sums: Recommended) -> Table:
    table = Table("customer", "friends", "who bought", "points", title="who brings most friends")
    for row in sums.best:
        table.add_row(row["customer_id"], *(f"{row[name]:,}" for name in ("friends", "buyers", "points")))
    return table
