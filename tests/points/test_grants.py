"""Points that other services owe are booked once for their name, and taken back once, whichever of the two comes first."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.points import handlers
from services.points.commands import (
    ChangeStatus,
    GrantPoints,
    MergeAccounts,
    Redeem,
    Request,
    RevokeGrant,
    SettleAccount,
)
from services.points.ledger import Ledger
from services.points.programme import Programme
from services.points.service import PointsService
from services.points.verification import verify
from shared.database import transact
from shared.messaging.events import Received, Verdict
from shared.requests import Origin
from tests.points.asking import rows
from tests.points.conftest import NOW, Book, enrolment, publish, purchase

EARLY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
LEVELS = [{"name": "Basic", "threshold": 0}, {"name": "Silver", "threshold": 50}]
BALANCES = "SELECT customer_id, available FROM account WHERE merged_into IS NULL ORDER BY 1"


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was done, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


def origin(event: str) -> Origin:
    return Origin("/loyalty/referrals", event, NOW)


def granted(reward: str = "r-1", customer: str = "c-1", points: int = 100, **more: Any) -> GrantPoints:
    event = more.pop("event", f"rewarded-{reward}")
    return GrantPoints("referrals", reward, customer, points, "referral", NOW, origin(event), **more)


def revoked(reward: str = "r-1", customer: str = "c-1", *, event: str | None = None) -> RevokeGrant:
    return RevokeGrant("referrals", reward, customer, "refunded", NOW, origin(event or f"reversed-{reward}"))


async def balances(engine: AsyncEngine) -> dict[str, int]:
    return {row["customer_id"]: row["available"] for row in await rows(engine, BALANCES)}


async def entries(engine: AsyncEngine) -> list[tuple[str, int]]:
    found = await rows(engine, "SELECT kind, points FROM entry ORDER BY recorded_at, customer_id, sequence")
    return [(row["kind"], row["points"]) for row in found]


async def said(engine: AsyncEngine) -> list[dict[str, Any]]:
    found = await rows(
        engine,
        "SELECT convert_from(payload, 'UTF8')::jsonb #>> '{data,breakdown,0,rule}' AS rule,"
        " convert_from(payload, 'UTF8')::jsonb->'data'->>'points' AS points,"
        " convert_from(payload, 'UTF8')::jsonb->'data'->>'reward_id' AS reward"
        " FROM outbox WHERE convert_from(payload, 'UTF8')::jsonb->>'type' = 'loyalty.points.adjusted.v1' ORDER BY id",
    )
    return [dict(row) for row in found]


# Once


async def test_twenty_deliveries_of_one_event_book_once(book: Book, engine: AsyncEngine) -> None:
    outcomes = [(await book(granted()))[0].status for _ in range(20)]
    assert outcomes == ["booked"] + ["repeated"] * 19
    assert await entries(engine) == [("grant", 100)]


async def test_twenty_events_of_one_reward_book_once(book: Book, engine: AsyncEngine) -> None:
    outcomes = await book(*(granted(event=f"e-{number}") for number in range(10)))
    outcomes += [(await book(granted(event=f"e-{number}")))[0] for number in range(10, 20)]
    assert [each.status for each in outcomes] == ["booked"] + ["repeated"] * 19
    assert await balances(engine) == {"c-1": 100}
    assert await said(engine) == [{"rule": "referral", "points": "100", "reward": "r-1"}]


async def test_two_at_once_book_once(points: PointsService) -> None:
    async def hear(event: str) -> str:
        ledger = Ledger()
        request = Request([granted(event=event), granted("r-2", "c-2", event=f"{event}-2")])
        replies = await transact(points.engine, lambda connection: ledger.book(connection, [request], now=NOW))
        return replies[0].outcomes[0].status

    statuses = await asyncio.gather(*(hear(f"e-{number}") for number in range(4)))
    assert sorted(statuses) == ["booked", "repeated", "repeated", "repeated"]
    assert await balances(points.engine) == {"c-1": 100, "c-2": 100}


async def test_a_reward_and_its_reversal_at_once_end_as_nothing(points: PointsService) -> None:
    async def hear(command: GrantPoints | RevokeGrant) -> None:
        request = Request([command])
        await transact(points.engine, lambda connection: Ledger().book(connection, [request], now=NOW))

    for number in range(5):
        await asyncio.gather(hear(granted(f"r-{number}")), hear(revoked(f"r-{number}")))
    assert set((await balances(points.engine)).values()) <= {0}
    assert await rows(points.engine, "SELECT DISTINCT status FROM points_grant") == [{"status": "revoked"}]


async def test_the_same_name_with_other_content_is_refused(book: Book) -> None:
    await book(granted(), revoked("r-2"))
    other = await book(
        granted(points=101, event="a"),
        granted(customer="c-2", event="b"),
        revoked(customer="c-2", event="c"),
        granted("r-2", "c-2"),
    )
    assert [each.code for each in other] == ["grant-conflict"] * 4


# Taken back


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("first", ["reward", "reversal"])
async def test_in_either_order_a_reversed_reward_is_nothing(
    book: Book, engine: AsyncEngine, first: str, *, together: bool
) -> None:
    both = [granted(), revoked()] if first == "reward" else [revoked(), granted()]
    await book(enrolment())
    for commands in [both] if together else [[each] for each in both]:
        await book(*commands)
    again = await book(granted(event="x"), revoked(event="y"))
    assert [each.status for each in again] == ["repeated", "repeated"]
    assert await balances(engine) == {"c-1": 0}
    found = await rows(engine, "SELECT status, points FROM points_grant")
    assert found == [{"status": "revoked", "points": 100}]


async def test_a_reversal_that_comes_first_opens_no_account(book: Book, engine: AsyncEngine) -> None:
    (waits,) = await book(revoked())
    (nothing,) = await book(granted())
    assert (waits.status, nothing.status) == ("waiting", "booked")
    assert await balances(engine) == {}


@pytest.mark.parametrize(("unmet", "left"), [("debt", -30), ("write_off", 0)])
async def test_rule_14_what_was_spent_of_a_grant_is_owed_or_written_off(
    book: Book, engine: AsyncEngine, unmet: Any, left: int
) -> None:
    await publish(engine, Programme(unmet_clawback=unmet), valid_from=EARLY)
    await book(granted(), Redeem("spent", "c-1", 30, NOW), revoked())
    assert await balances(engine) == {"c-1": left}


async def test_rule_14_a_grants_own_lot_gives_before_others(book: Book, engine: AsyncEngine) -> None:
    await book(granted(expires_on=NOW.date() + 90 * DAY), granted("r-2", expires_on=NOW.date() + DAY), revoked())
    found = await rows(engine, "SELECT sequence, remaining FROM lot ORDER BY sequence")
    assert [row["remaining"] for row in found] == [0, 100]


async def test_rule_14_what_expired_of_a_grant_is_gone_already(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), granted(expires_on=NOW.date()), Redeem("spent", "c-1", 40, NOW))
    await book(revoked(), now=NOW + 2 * DAY)
    # 60 expired, and the 40 that were spent are taken of the others
    assert await balances(engine) == {"c-1": 60}
    assert [row["revoked_expired"] for row in await rows(engine, "SELECT revoked_expired FROM points_grant")] == [60]


async def test_a_grant_whose_last_day_is_over_expires_as_it_comes(book: Book, engine: AsyncEngine) -> None:
    await book(granted(expires_on=NOW.date() - DAY), revoked())
    assert await entries(engine) == [("grant", 100), ("expiry", -100)]


async def test_a_grant_ends_as_the_programme_says(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, Programme.model_validate({"expiry": {"model": "after_earning", "months": 1}}))
    await book(granted())
    await book(SettleAccount("c-1"), now=NOW + 40 * DAY)
    assert await entries(engine) == [("grant", 100), ("expiry", -100)]


# Accounts


async def test_a_merged_account_is_granted_and_revoked_where_it_goes_on(book: Book, engine: AsyncEngine) -> None:
    await book(granted(), enrolment("c-2"), MergeAccounts("c-1", "c-2", "twice"))
    await book(granted("r-2"), granted(event="again"))
    assert await balances(engine) == {"c-2": 200}
    await book(revoked(), revoked("r-2", "c-2"))
    assert await balances(engine) == {"c-2": 0}


async def test_what_expired_before_a_merge_is_not_taken_again(book: Book, engine: AsyncEngine) -> None:
    await book(granted(expires_on=NOW.date()), purchase(customer="c-2"))
    await book(MergeAccounts("c-1", "c-2", "twice"), now=NOW + 2 * DAY)
    await book(revoked(customer="c-2"), now=NOW + 2 * DAY)
    assert await balances(engine) == {"c-2": 100}


async def test_a_blocked_account_gets_what_was_promised_and_a_closed_one_does_not(
    book: Book, engine: AsyncEngine
) -> None:
    await book(
        enrolment(), enrolment("c-2"), ChangeStatus("c-1", "blocked", "why"), ChangeStatus("c-2", "closed", "why")
    )
    blocked, closed = await book(granted(), granted("r-2", "c-2"))
    assert (blocked.status, closed.code) == ("booked", "account-closed")
    await book(ChangeStatus("c-1", "closed", "why"), revoked())
    assert await balances(engine) == {"c-1": 0, "c-2": 0}


async def test_rule_5_whoever_is_not_enrolled_is_refused_where_buyers_are(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, Programme(enrol_buyers=False), valid_from=EARLY)
    (refused,) = await book(granted())
    await book(enrolment())
    (later,) = await book(granted())
    assert (refused.code, later.status) == ("account-unknown", "booked")


@pytest.mark.parametrize(("count", "tier"), [(True, "Silver"), (False, None)])
async def test_rule_22_grants_move_tiers_only_where_the_programme_says(
    book: Book, engine: AsyncEngine, tier: str | None, *, count: bool
) -> None:
    tiers = {"levels": LEVELS, "granted_points_count": count}
    await publish(engine, Programme.model_validate({"tiers": tiers}), valid_from=EARLY)
    await book(granted())
    assert await rows(engine, "SELECT tier FROM account") == [{"tier": tier}]
    await book(revoked())
    assert await rows(engine, "SELECT coalesce(sum(points), 0)::int AS points FROM progress") == [{"points": 0}]


# Heard


REWARD = {"kind": "points", "points": 500}
REFERRAL = {
    "customer_id": "c-42",
    "referral_id": "r",
    "side": "referrer",
    "code": "7K2M-9QF4",
    "friend_id": "c-43",
    "programme_version": 1,
    "occurred_at": "2026-11-23T09:15:00Z",
    "reward_id": "r/referrer/1",
}
PAIR = {
    "customer_id": "c-42",
    "pair_id": "p",
    "side": "friend",
    "offer_id": "winter",
    "kind": "each_buys",
    "referrer_id": "c-41",
    "expires_at": "2026-12-23T23:00:00Z",
    "occurred_at": "2026-11-23T09:15:00Z",
    "reward_id": "p/friend/1",
}
COUPON = {"customer_id": "c-42", "coupon_id": "k-1", "occasion": "birthday"}


def event(kind: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    document = {
        "specversion": "1.0",
        "id": f"{kind}-{data}-{more}",
        "source": "/loyalty/x",
        "type": f"loyalty.{kind}.v1",
    }
    document |= {"subject": data["customer_id"], "sequence": f"{1:020d}", "time": "2026-11-23T10:00:00Z"}
    return document | {"id": str(abs(hash(document["id"]))), "data": data | more}


async def hear(engine: AsyncEngine, *events: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Take events as a consumer of the topics does."""
    subscription = handlers.subscription(Ledger(), clock=lambda: NOW)
    received = [Received(handlers.EVENTS.validate_python(each), b"", NOW) for each in events]

    async def work(connection: AsyncConnection) -> list[Verdict]:
        return list(await subscription.handle(connection, received))

    return [(each.status, each.code) for each in await transact(engine, work)]


async def test_points_of_referrals_pairs_and_birthdays_are_heard_and_all_else_is_skipped(engine: AsyncEngine) -> None:
    commission = {"kind": "commission", "amount": "5.00", "currency": "EUR", "shop_id": "shop", "invoice_number": "R-1"}
    coupon = {"kind": "coupon", "coupon": {"value": {"kind": "shipping"}}}
    heard = await hear(
        engine,
        event("referral.rewarded", REFERRAL, reward=REWARD),
        event("pair.completed", PAIR, reward=REWARD),
        event("coupon.issued", COUPON, value={"kind": "points", "points": 50, "expires_on": "2027-01-31"}),
        event("referral.rewarded", REFERRAL, reward=commission),
        event("pair.completed", PAIR, reward=coupon),
        event("coupon.issued", COUPON, value={"kind": "shipping"}),
        event("referral.reversed", REFERRAL | {"reward_id": None}, reason="refunded"),
        event("pair.reversed", PAIR, reason="refunded", reward_kind="coupon"),
    )
    assert [status for status, _ in heard] == ["accepted"] * 3 + ["skipped"] * 5
    assert await balances(engine) == {"c-42": 1050}
    assert [each["rule"] for each in await said(engine)] == ["referral", "pair", "birthday"]
    taken = await hear(
        engine,
        event("referral.reversed", REFERRAL, reason="refunded"),
        event("pair.reversed", PAIR, reason="refunded", reward_kind="points"),
    )
    assert [status for status, _ in taken] == ["accepted"] * 2
    assert await balances(engine) == {"c-42": 50}


async def test_an_answered_survey_gives_its_action_once(engine: AsyncEngine, book: Book) -> None:
    programme = Programme.model_validate({"actions": [{"name": "survey", "points": 20}]})
    await publish(engine, programme, valid_from=EARLY)
    await book(enrolment())
    answers = [event("survey.answered", {"customer_id": "c-1", "survey": f"s-{number}"}) for number in range(3)]
    assert [status for status, _ in await hear(engine, *answers)] == ["accepted"] * 3
    assert await balances(engine) == {"c-1": 20}


async def test_nobody_grants_points_over_http(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    answer = await client.post("/v1/events", json=[event("referral.rewarded", REFERRAL, reward=REWARD)])
    assert answer.json()["results"][0]["status"] == "skipped"
    assert await balances(engine) == {}
