"""What is said of itself: each thing that happens is planned to be said once, and nothing that is long ago or switched off."""

import asyncio
import datetime as dt
from typing import Any

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications import handlers, tables
from services.notifications.delivery import Delivery
from services.notifications.jobs import announce_coupons
from services.notifications.programme import Programme
from services.notifications.service import NotificationsService
from services.notifications.templates.kinds import SAMPLES
from services.notifications.verification import verify
from shared.database import transact
from shared.messaging.decoding import decode
from shared.messaging.events import Received
from tests.asking import rows
from tests.notifications.conftest import CODE, NOW, Book, issue, purchase

AT = "2026-11-23T09:15:00Z"
BALANCE = {"available": 320, "pending": 40, "held": 0}
BOOKED: dict[str, Any] = {
    "customer_id": "anna",
    "balance": BALANCE,
    "breakdown": [],
    "entry_sequence": 1,
    "occurred_at": AT,
}
SHOP = {"shop_id": "shop", "invoice_number": "R-1", "programme_version": 1}
COUPON = {
    "kind": "coupon",
    "coupon": {
        "value": {"kind": "percentage_voucher", "percent": "10"},
        "valid_days": 30,
        "titles": {"en": "10 % off"},
    },
}
REFERRAL = {
    "customer_id": "anna",
    "referral_id": "r-1",
    "side": "referrer",
    "code": "7K2M-9QFS",
    "friend_id": "ben",
    "referrer_id": "anna",
    "programme_version": 1,
    "occurred_at": AT,
}
PAIR = {
    "customer_id": "anna",
    "pair_id": "p-1",
    "side": "referrer",
    "offer_id": "winter",
    "kind": "each_buys",
    "referrer_id": "anna",
    "friend_id": None,
    "expires_at": "2026-12-23T23:00:00Z",
    "occurred_at": AT,
}
INVITED = ("pair.invited", PAIR | {"code": "4T3H-B7KM", "reward": {"kind": "points", "points": 200}})


def opened(at: str = AT) -> tuple[str, dict[str, Any]]:
    data = {"customer_id": "anna", "card_number": "2990000000422", "enrolled_at": at, "balance": BALANCE}
    return "account.opened", data


def awarded(points: int = 114, at: str = AT, **more: Any) -> tuple[str, dict[str, Any]]:
    return "points.awarded", BOOKED | SHOP | {"points": points, "occurred_at": at, **more}


def reversed_(points: int) -> tuple[str, dict[str, Any]]:
    return "points.reversed", BOOKED | SHOP | {"points": points}


def activated(points: int) -> tuple[str, dict[str, Any]]:
    return "points.activated", BOOKED | {"points": points, "lot": 1}


def adjusted(points: int, **more: Any) -> tuple[str, dict[str, Any]]:
    return "points.adjusted", BOOKED | {"points": points, "reason": "complaint", **more}


def document(number: int, kind: str, data: dict[str, Any]) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"{data['customer_id']}:{number}",
            "source": "/loyalty/others",
            "type": f"loyalty.{kind}.v1",
            "subject": data["customer_id"],
            "time": data.get("occurred_at", AT),
            "sequence": f"{number:020d}",
            "data": data,
        }
    )


class Ear:
    """Hears events in the order of their numbers."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.delivery = Delivery()

    async def hear(self, *said: tuple[str, dict[str, Any]], first: int = 1, now: dt.datetime = NOW) -> list[str]:
        heard = handlers.subscription(self.delivery, clock=lambda: now)
        events = [decode(handlers.EVENTS, document(number, *each), now=now) for number, each in enumerate(said, first)]
        received = [each for each in events if isinstance(each, Received)]
        assert len(received) == len(said), events
        return [each.status for each in await transact(self.engine, lambda at: heard.handle(at, received))]


@pytest.fixture
def ear(engine: AsyncEngine) -> Ear:
    return Ear(engine)


async def messages(engine: AsyncEngine) -> list[dict[str, Any]]:
    return await rows(engine, "SELECT * FROM notification ORDER BY subject, reference")


async def message(engine: AsyncEngine) -> dict[str, Any]:
    (found,) = await messages(engine)
    assert found["content"].keys() == SAMPLES[found["subject"]].keys()
    async with engine.connect() as connection:
        assert await verify(connection) == []
    return found


async def publish(engine: AsyncEngine, **document: Any) -> None:
    programme = Programme.model_validate(document)
    await transact(engine, lambda at: Delivery().publish(at, programme, valid_from=NOW, now=NOW, actor="tests"))


async def test_a_new_customer_is_welcomed_once(ear: Ear, engine: AsyncEngine) -> None:
    await ear.hear(opened(), opened())
    await ear.hear(opened())
    found = await message(engine)
    assert (found["subject"], found["status"], found["purpose"]) == ("welcome", "planned", "account")
    assert found["content"] == {"available": 320}
    assert found["due_at"] == NOW


@pytest.mark.parametrize(
    "said",
    [opened("2026-11-16T11:59:59Z"), awarded(at="2026-11-16T11:59:59Z"), opened("2019-01-01T00:00:00Z")],
    ids=["enrolled", "awarded", "imported"],
)
async def test_what_is_long_ago_is_not_said(ear: Ear, engine: AsyncEngine, said: tuple[str, dict[str, Any]]) -> None:
    await ear.hear(said)
    assert await messages(engine) == []


async def test_what_is_switched_off_is_not_said(ear: Ear, engine: AsyncEngine) -> None:
    await publish(
        engine,
        messages={
            "welcome": {"enabled": False, "template": "welcome"},
            "points_digest": {"enabled": False, "template": "points_digest"},
        },
    )
    await ear.hear(opened(), awarded())
    assert await messages(engine) == []


# The digest


async def test_points_are_gathered_for_one_digest_and_each_event_counts_once(ear: Ear, engine: AsyncEngine) -> None:
    said = [awarded(114), awarded(50), activated(80), adjusted(20, adjustment_id="a-1")]
    assert await ear.hear(*said) == ["accepted"] * 4
    assert await ear.hear(*said) == ["duplicate"] * 4
    found = await message(engine)
    assert found["content"] == {"awarded": 184, "activated": 80, "available": 320, "pending": 40}
    # the next Monday, at ten where the customer lives
    assert found["due_at"] == found["happened_at"] == dt.datetime(2026, 11, 30, 9, tzinfo=dt.UTC)


async def test_what_is_taken_back_lowers_it(ear: Ear, engine: AsyncEngine) -> None:
    await ear.hear(awarded(114), reversed_(-34))
    assert (await message(engine))["content"]["awarded"] == 80


async def test_a_debt_that_is_written_off_is_no_gift(ear: Ear, engine: AsyncEngine) -> None:
    await ear.hear(adjusted(34))
    assert await messages(engine) == []


async def test_too_few_points_wait_for_more(ear: Ear, engine: AsyncEngine) -> None:
    await publish(engine, messages={"points_digest": {"template": "points_digest", "smallest": 100}})
    await ear.hear(awarded(60))
    assert (await message(engine))["due_at"].year == 2200
    await ear.hear(awarded(60), first=2)
    found = await message(engine)
    assert (found["content"]["awarded"], found["due_at"].year) == (120, 2026)
    await ear.hear(reversed_(-60), first=3)
    assert (await message(engine))["due_at"].year == 2200


async def test_after_a_digest_was_said_another_one_begins(ear: Ear, engine: AsyncEngine) -> None:
    await ear.hear(awarded(114))
    async with engine.begin() as connection:
        await connection.execute(tables.notification.update().values(status="sent", said_at=NOW))
    await ear.hear(awarded(114), awarded(50), first=1)
    assert [each["content"]["awarded"] for each in await messages(engine)] == [114, 50]


def of(name: str, said: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return said[0], said[1] | {"customer_id": name}


MERGED = ("account.merged", {"customer_id": "old anna", "into": "anna", "balance": BALANCE})


@pytest.mark.parametrize("names", [["anna", "old anna"], ["old anna"], ["anna"]], ids=["both", "hers", "the other's"])
@pytest.mark.parametrize("at_once", [True, False])
async def test_whoever_goes_on_as_another_is_told_of_all_in_one_digest(
    ear: Ear, engine: AsyncEngine, names: list[str], *, at_once: bool
) -> None:
    said = [of(name, awarded(100)) for name in names]
    if at_once:
        assert await ear.hear(*said, MERGED) == ["accepted"] * (len(names) + 1)
    else:
        await ear.hear(*said)
        await ear.hear(MERGED, first=8)
    await ear.hear(awarded(20), first=9)
    found = await message(engine)
    assert (found["customer_id"], found["content"]["awarded"]) == ("anna", 100 * len(names) + 20)


async def test_nobody_is_welcomed_again_under_another_name(ear: Ear, engine: AsyncEngine) -> None:
    await ear.hear(of("old anna", opened()))
    await ear.hear(MERGED, first=2)
    assert await ear.hear(of("old anna", opened())) == ["duplicate"]
    assert (await message(engine))["customer_id"] == "anna"


# Points and tiers


async def test_points_that_expire_are_told_until_their_last_day(ear: Ear, engine: AsyncEngine) -> None:
    data = {"customer_id": "anna", "points": 80, "on": "2027-01-31", "balance": BALANCE}
    await ear.hear(("points.expiring", data))
    found = await message(engine)
    assert (found["subject"], found["purpose"]) == ("points_expiring", "necessary")
    assert found["content"] == {"points": 80, "on": "2027-01-31", "available": 320}
    assert found["until"] == dt.datetime(2027, 1, 31, 23, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("reason", "is_told"),
    [("earned", True), ("given", True), ("reviewed", False), ("merged", False)],
)
async def test_a_tier_is_told_on_the_way_up_only(ear: Ear, engine: AsyncEngine, reason: str, *, is_told: bool) -> None:
    data = {"customer_id": "anna", "from": "Silver", "to": "Gold", "since": "2026-11-23", "reason": reason}
    await ear.hear(("tier.changed", data))
    assert [each["content"] for each in await messages(engine)] == [{"tier": "Gold", "before": "Silver"}][:is_told]


async def test_a_tier_that_will_drop_is_told_before_that_day(ear: Ear, engine: AsyncEngine) -> None:
    data = {"customer_id": "anna", "tier": "Gold", "to": "Silver", "on": "2027-01-01", "missing": 220}
    await ear.hear(("tier.expiring", data))
    found = await message(engine)
    assert (found["subject"], found["content"]["missing"]) == ("tier_dropping", 220)
    assert found["until"] == dt.datetime(2026, 12, 31, 23, tzinfo=dt.UTC)


# Recommendations and pairs


async def test_a_recommendation_that_was_rewarded_is_told_with_its_coupon(ear: Ear, engine: AsyncEngine) -> None:
    said = ("referral.rewarded", REFERRAL | {"reward_id": "r-1/referrer/1", "reward": COUPON, "rung": 5})
    assert await ear.hear(said, said) == ["accepted", "duplicate"]
    found = await message(engine)
    (coupon,) = await rows(engine, "SELECT code FROM coupon")
    assert (found["subject"], found["coupon_id"]) == ("referral_rewarded", "r-1/referrer/1")
    assert found["content"]["rung"] == 5
    gift = found["content"]["gift"]
    assert (gift["code"], gift["value"]["percent"], gift["titles"]) == (coupon["code"], "10", {"en": "10 % off"})


async def test_points_for_a_recommendation_are_told_to_whoever_recommended(ear: Ear, engine: AsyncEngine) -> None:
    reward = {"reward_id": "r-1/1", "reward": {"kind": "points", "points": 500}}
    of_friend = REFERRAL | reward | {"side": "friend", "customer_id": "ben"}
    assert await ear.hear(("referral.rewarded", REFERRAL | reward)) == ["accepted"]
    assert await ear.hear(("referral.rewarded", of_friend)) == ["skipped"]
    assert (await message(engine))["content"]["gift"]["value"] == {"kind": "points", "points": 500}


async def test_whoever_waits_for_a_friend_is_reminded_half_way(ear: Ear, engine: AsyncEngine) -> None:
    assert await ear.hear(INVITED) == ["accepted"]
    found = await message(engine)
    assert found["due_at"] == found["happened_at"] == dt.datetime(2026, 12, 8, 16, 7, 30, tzinfo=dt.UTC)
    assert (found["content"]["until"], found["content"]["code"]) == ("2026-12-23", "4T3H-B7KM")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (("pair.accepted", PAIR | {"friend_id": "ben"}), "friend-there"),
        (("pair.expired", PAIR | {"reason": "cancelled"}), "pair-over"),
        (("pair.completed", PAIR | {"reward_id": "p-1/1", "reward": COUPON}), "friend-there"),
    ],
    ids=["accepted", "over", "completed"],
)
async def test_nobody_is_reminded_once_the_friend_is_there(
    ear: Ear, engine: AsyncEngine, said: tuple[str, dict[str, Any]], reason: str
) -> None:
    await ear.hear(INVITED, said)
    found = await message(engine)
    assert (found["status"], found["reason"]) == ("suppressed", reason)
    assert await ear.hear(INVITED) == ["duplicate"]


# Coupons that end


async def announce(notifications: NotificationsService, engine: AsyncEngine, at: dt.datetime) -> int:
    notifications.clock = lambda: at
    return await announce_coupons(notifications, engine, lambda _done, _of: None)


async def test_a_coupon_is_told_of_a_week_before_its_end_once(
    book: Book, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await book(issue(days=30))
    assert await announce(notifications, engine, NOW + dt.timedelta(days=20)) == 0
    later = NOW + dt.timedelta(days=24)
    assert await announce(notifications, engine, later) == 1
    assert await announce(notifications, engine, later) == 0
    found = await message(engine)
    assert (found["subject"], found["reference"], found["purpose"]) == ("coupon_expiring", "claim-1", "offers")
    assert (found["content"]["gift"]["code"], found["until"]) == (CODE, dt.datetime(2026, 12, 24, tzinfo=dt.UTC))


async def test_nobody_is_reminded_of_what_came_just_now(
    book: Book, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await book(issue(days=5))
    assert await announce(notifications, engine, NOW + dt.timedelta(days=1)) == 1
    assert await messages(engine) == []


async def test_nobody_is_reminded_of_what_they_used(
    book: Book, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await book(issue(days=30))
    await announce(notifications, engine, NOW + dt.timedelta(days=24))
    await book(purchase(), now=NOW + dt.timedelta(days=25))
    found = await message(engine)
    assert (found["status"], found["reason"]) == ("suppressed", "coupon-redeemed")


async def test_two_processes_that_hear_the_same_at_once_count_it_once(engine: AsyncEngine) -> None:
    said = [awarded(10) for _ in range(10)]
    await asyncio.gather(*(Ear(engine).hear(*said) for _ in range(4)))
    assert (await message(engine))["content"]["awarded"] == 100
