"""What happens at the same instant: two processes book claims and purchases of the same customers."""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import AcceptClaim, ChooseCode, Command, HearCard, Outcome, Request
from services.referrals.service import ReferralsService
from services.referrals.verification import verify
from shared import codes
from shared.database import create_engine
from tests.referrals.asking import days, rewards, rows, states
from tests.referrals.conftest import CODE, CONTACTS, NOW, Book, claim, code, publish, purchase, refund

Two = tuple[ReferralsService, ReferralsService]
Right = Callable[[], Awaitable[bool]]


class Clock:
    """Both processes look at the same one."""

    now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def two(referrals_url: str, clock: Clock) -> AsyncIterator[Two]:
    """Two processes, as far as the database can tell."""
    first, second = (
        ReferralsService(create_engine(referrals_url, name=name, pool_size=5), contacts=CONTACTS, clock=clock)
        for name in ("first", "second")
    )
    yield first, second
    await first.close()
    await second.close()


@pytest.fixture
async def right(referrals_url: str) -> AsyncIterator[Right]:
    """Tell whether the books are right, asked as the command line does."""
    engine = create_engine(referrals_url, name="verify", reporting=True)

    async def is_right() -> bool:
        async with engine.connect() as connection:
            return await verify(connection) == []

    yield is_right
    await engine.dispose()


async def submitted(two: Two, commands: Sequence[Command]) -> list[Outcome]:
    """Ask each of the two for every other command, all at once, as many tills do."""
    asked = (two[place % 2].submit(Request([command])) for place, command in enumerate(commands))
    return [reply.outcomes[0] for reply in await asyncio.gather(*asked)]


async def booked(two: Two, commands: Sequence[Command]) -> None:
    """Book each command in a transaction of its own, as many at once as there are connections."""
    await asyncio.gather(*(two[place % 2].book([Request([command])]) for place, command in enumerate(commands)))


async def count(engine: AsyncEngine, column: str, table: str) -> Counter[str]:
    found = await rows(engine, f"SELECT {column} AS name, count(*) AS n FROM {table} GROUP BY 1")
    return Counter({row["name"]: row["n"] for row in found})


def code_of(number: int) -> str:
    symbols = codes.ALPHABET
    return codes.code(f"KKKKK{symbols[number // len(symbols)]}{symbols[number % len(symbols)]}")


async def test_a_hundred_claims_at_once_keep_to_the_velocity_and_the_cap(
    book: Book, engine: AsyncEngine, two: Two, clock: Clock, right: Right
) -> None:
    limits: dict[str, Any] = {"rewards_per_referrer_and_month": 10, "claims_per_referrer_and_day": 5}
    await publish(engine, hold_days=0, ladder=[{"count": 10, "benefit": {"kind": "points", "points": 1_000}}], **limits)
    await book(code())
    friends = [f"friend-{number}" for number in range(100)]
    await submitted(two, [claim(friend) for friend in friends])
    assert await count(engine, "status", "referral") == {"claimed": 5, "review": 95}
    await submitted(two, [purchase(f"R-{friend}", customer=friend) for friend in friends])
    await submitted(two, [AcceptClaim(f"{friend} claims {CODE}", "staff") for friend in friends])
    assert await count(engine, "status", "referral") == {"rewarded": 100}
    given = await rewards(engine)
    assert given.pop("anna") == 10 * 500 + 1_000
    assert given == dict.fromkeys(friends, 200)
    clock.now = NOW + days(1)
    assert await right()


async def test_a_hundred_transactions_at_once_lose_no_claim(
    book: Book, engine: AsyncEngine, two: Two, right: Right
) -> None:
    await publish(engine, claims_per_referrer_and_day=30, rewards_per_referrer_and_month=None)
    await book(code())
    await booked(two, [claim(f"friend-{number}") for number in range(100)])
    assert await count(engine, "status", "referral") == {"claimed": 30, "review": 70}
    assert await right()


@pytest.mark.parametrize("size", [2, 3, 4, 50])
async def test_friends_who_claim_each_other_at_once_close_no_circle(
    book: Book, engine: AsyncEngine, two: Two, right: Right, size: int
) -> None:
    friends = range(50 - 50 % size)
    await book(*(code(f"c-{number:02}", code_of(number)) for number in friends))
    after = {number: number - number % size + (number + 1) % size for number in friends}
    if size == 50:
        after = {number: (number + 1) % 50 for number in friends}
    await booked(two, [claim(f"c-{number:02}", code_of(after[number])) for number in friends])
    found = await count(engine, "coalesce(reason, status)", "referral")
    circles = len(friends) // size
    assert found == {"claimed": len(friends) - circles, "circle": circles}
    assert await right()


async def test_of_twenty_codes_that_a_friend_claims_at_once_one_counts(
    book: Book, engine: AsyncEngine, two: Two, right: Right
) -> None:
    await book(*(code(f"c-{number}", code_of(number)) for number in range(20)))
    await booked(two, [claim("ben", code_of(number)) for number in range(20)])
    assert await count(engine, "coalesce(reason, status)", "referral") == {"claimed": 1, "referred-already": 19}
    assert await right()


async def test_a_claim_and_its_purchase_at_the_same_instant_end_rewarded(
    book: Book, engine: AsyncEngine, two: Two, right: Right
) -> None:
    await publish(engine, hold_days=0, claims_per_referrer_and_day=None, rewards_per_referrer_and_month=None)
    await book(code())
    for number in range(200):
        friend = f"friend-{number}"
        both: list[Command] = [claim(friend), purchase(f"R-{number}", customer=friend)]
        await booked(two, both if number % 2 else both[::-1])
    assert set((await states(engine)).values()) == {"rewarded"}
    assert await count(engine, "status", "referral") == {"rewarded": 200}
    assert await right()


async def test_a_purchase_heard_twice_and_its_refund_at_the_same_instant_are_one(
    book: Book, engine: AsyncEngine, two: Two, right: Right
) -> None:
    await publish(engine, hold_days=0, minimum="20.00")
    await book(code(), claim("friend"))
    for number in range(50):
        heard = purchase(f"R-{number}", customer="friend")
        await booked(two, [heard, heard, refund(f"R-{number}"), heard])
    kept = await rows(engine, "SELECT status, total - refunded AS kept FROM purchase")
    assert [(each["status"], each["kept"]) for each in kept] == [("booked", 0)] * 50
    assert set((await states(engine)).values()) == {"claimed"}
    assert await right()


async def test_a_purchase_and_its_card_at_the_same_instant_find_each_other(
    book: Book, engine: AsyncEngine, two: Two, right: Right
) -> None:
    await publish(engine, hold_days=0, claims_per_referrer_and_day=None, rewards_per_referrer_and_month=None)
    await book(code())
    for number in range(100):
        by_card: dict[str, Any] = {"customer": None, "card_number": f"CARD-{number}", "referral_code": CODE}
        await booked(two, [purchase(f"R-{number}", **by_card), HearCard(f"CARD-{number}", f"friend-{number}")])
    assert await count(engine, "status", "referral") == {"rewarded": 100}
    assert await right()


async def test_a_batch_of_purchases_beside_claims_of_the_same_customers(
    book: Book, engine: AsyncEngine, two: Two, right: Right
) -> None:
    await publish(engine, hold_days=0, claims_per_referrer_and_day=None, rewards_per_referrer_and_month=None)
    await book(code())
    first, second = two
    purchases = Request([purchase(f"R-{number}", customer=f"friend-{number}") for number in range(2_000)])
    claims = (second.submit(Request([claim(f"friend-{number}")])) for number in range(0, 2_000, 20))
    await asyncio.gather(first.book([purchases]), *claims)
    assert await count(engine, "status", "referral") == {"rewarded": 100}
    assert await right()


async def test_a_code_that_two_choose_at_once_is_one_customers(two: Two, right: Right) -> None:
    chosen = [ChooseCode(f"c-{number}", "WINECLUB2") for number in range(10)]
    outcomes = await submitted(two, chosen)
    assert Counter(each.code for each in outcomes) == {None: 1, "code-taken": 9}
    assert await right()
