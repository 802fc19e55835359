"""What is due is said, if it may be, with its gift, once: on the real database."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import HearConsent, Request
from services.notifications.programme import Programme
from services.notifications.sending.alarm import Alarm
from services.notifications.sending.saying import Sayer
from services.notifications.service import NotificationsService
from services.notifications.verification import verify
from shared.documents import BEGINNING
from tests.asking import rows
from tests.notifications.clocks import Clock
from tests.notifications.conftest import LINKS
from tests.notifications.messages import NOW, agree, enrol, execute, plan, statuses, told, words

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)

Say = Callable[..., Awaitable[int]]
Publish = Callable[..., Awaitable[None]]


@pytest.fixture
def say(sending: NotificationsService, clock: Clock) -> Say:
    """Say what is due now, or so much later; answers how many that were."""

    async def at(later: dt.timedelta = dt.timedelta()) -> int:
        clock.now = NOW + later
        return await Sayer(sending, Alarm()).say_due()

    return at


@pytest.fixture
def publish(sending: NotificationsService) -> Publish:
    """Have a programme from the beginning on, of which only some is different."""

    async def run(**parts: Any) -> None:
        programme = Programme.model_validate(parts)
        await sending.publish(programme, valid_from=BEGINNING, now=NOW, actor="tests")

    return run


async def test_what_is_due_is_requested_with_its_gift_in_the_customers_language(engine: AsyncEngine, say: Say) -> None:
    await enrol(engine)
    key = await plan(engine)
    assert await say() == 1
    issued, requested = await told(engine)
    assert (issued["coupon_id"], issued["occasion"]) == (str(key), "birthday")
    assert issued["valid_until"] == "2026-12-24T00:00:00+00:00"
    assert (requested["to"], requested["language"]) == ("anna@example.com", "de")
    assert (requested["delivered_by"], requested["template"]) == ("loyalty", "birthday")
    assert requested["subject"] == "Alles Gute zum Geburtstag!"
    assert "Liebe Frau Muster" in requested["text"]
    assert issued["code"] in requested["html"]
    assert "23. Dezember 2026" in requested["text"]
    assert await statuses(engine) == {"occasion:birthday": ("requested", None)}


async def test_nothing_is_said_twice(engine: AsyncEngine, say: Say) -> None:
    await enrol(engine)
    await plan(engine)
    assert [await say(), await say()] == [1, 0]
    assert await words(engine) == ["coupon.issued", "notification.requested"]


async def test_two_processes_that_say_at_once_say_each_once(engine: AsyncEngine, sending: NotificationsService) -> None:
    for number in range(30):
        await enrol(engine, f"c-{number}")
        await plan(engine, name=f"c-{number}")
    said = await asyncio.gather(*(Sayer(sending, Alarm()).say_due() for _ in range(4)))
    assert sum(said) == 30
    assert sorted(await words(engine)) == ["coupon.issued"] * 30 + ["notification.requested"] * 30


async def test_what_is_not_due_waits(engine: AsyncEngine, say: Say) -> None:
    await enrol(engine)
    await plan(engine, due_at=NOW + HOUR)
    assert await say() == 0
    assert await say(HOUR) == 1


async def test_points_of_an_occasion_are_said_and_are_no_coupon_here(engine: AsyncEngine, say: Say) -> None:
    await enrol(engine)
    await plan(engine, "occasion:anniversary", years=3)
    await say()
    issued, requested = await told(engine)
    assert issued["value"] == {"kind": "points", "points": 50}
    assert "code" not in issued
    assert "50" in requested["text"]
    assert await rows(engine, "SELECT FROM coupon") == []


async def test_who_unsubscribed_after_it_was_planned_hears_nothing_and_has_the_gift(
    engine: AsyncEngine, say: Say
) -> None:
    await enrol(engine)
    await plan(engine)
    await agree(engine, state="withdrawn")
    await say()
    assert await words(engine) == ["coupon.issued", "notification.suppressed"]
    assert await statuses(engine) == {"occasion:birthday": ("suppressed", "consent-withdrawn")}


async def test_an_occasion_may_keep_its_gift_from_those_who_hear_nothing(
    engine: AsyncEngine, say: Say, publish: Publish
) -> None:
    benefit = {"kind": "points", "points": 10}
    birthday = {"kind": "anniversary", "of": "birthday", "name": "birthday", "template": "birthday", "benefit": benefit}
    await publish(occasions=[birthday | {"without_message": "keep"}])
    await enrol(engine)
    await agree(engine, state="withdrawn")
    await plan(engine)
    await say()
    assert await words(engine) == ["notification.suppressed"]


async def test_what_was_switched_off_since_is_not_said(engine: AsyncEngine, say: Say, publish: Publish) -> None:
    await publish(occasions=[], messages={"welcome": {"template": "welcome", "enabled": False}})
    await enrol(engine)
    await plan(engine)
    await plan(engine, "welcome", available=0)
    await say()
    assert await statuses(engine) == {
        "occasion:birthday": ("suppressed", "switched-off"),
        "welcome": ("suppressed", "switched-off"),
    }
    assert await words(engine) == ["notification.suppressed"] * 2


async def test_the_frequency_cap_makes_the_fourth_wait_for_its_day(engine: AsyncEngine, say: Say) -> None:
    await enrol(engine)
    for number in range(4):
        await plan(engine, "tier_reached", reference=f"e-{number}", tier="Gold", before="Silver")
    assert await say() == 4
    assert await words(engine) == ["notification.requested"] * 3
    found = await rows(engine, "SELECT due_at, reason FROM notification WHERE status = 'planned'")
    # from midday a week later on it is allowed, and still means something
    assert found == [{"due_at": NOW + 7 * DAY, "reason": "frequency-cap"}]
    await say(7 * DAY)
    assert await words(engine) == ["notification.requested"] * 4


async def test_what_must_be_said_counts_for_nothing_and_needs_no_consent(engine: AsyncEngine, say: Say) -> None:
    await enrol(engine)
    for purpose in ("offers", "account"):
        await agree(engine, purpose=purpose, state="withdrawn")
    for number in range(5):
        await plan(engine, "points_expiring", reference=f"e-{number}", points=80, on="2027-01-31", available=1280)
    await say()
    assert await words(engine) == ["notification.requested"] * 5
    assert {each["unsubscribe_url"] for each in await told(engine)} == {None}


async def test_quiet_hours_are_the_customers(engine: AsyncEngine, say: Say) -> None:
    await enrol(engine, "anna", time_zone="Asia/Tokyo")  # where it is 21:00
    await enrol(engine, "bert")
    await plan(engine, name="anna")
    await plan(engine, name="bert")
    await say()
    assert [each["customer_id"] for each in await told(engine)] == ["bert", "bert"]
    found = await rows(engine, "SELECT due_at, reason FROM notification WHERE status = 'planned'")
    assert found == [{"due_at": NOW + 11 * HOUR, "reason": "quiet-hours"}]


async def test_what_means_nothing_any_more_is_not_said_and_brings_nothing(engine: AsyncEngine, say: Say) -> None:
    await enrol(engine)
    await plan(engine, until=NOW + HOUR)
    await say(HOUR)
    assert await statuses(engine) == {"occasion:birthday": ("suppressed", "too-old")}
    assert await words(engine) == ["notification.suppressed"]


async def test_an_address_that_nothing_arrives_at_gets_nothing(engine: AsyncEngine, say: Say) -> None:
    await enrol(engine)
    await enrol(engine, "bert", email=None)
    await execute(
        engine, "INSERT INTO address (channel, address, bounced_at) VALUES ('email', 'anna@example.com', now())"
    )
    await plan(engine)
    await plan(engine, name="bert")
    await say()
    found = await rows(engine, "SELECT customer_id, reason FROM notification ORDER BY customer_id")
    assert [each["reason"] for each in found] == ["address-bounced", "address-missing"]


async def test_the_preferred_channel_is_taken_where_it_may_be(engine: AsyncEngine, say: Say, publish: Publish) -> None:
    await publish(shop_channels=["whatsapp"])
    for name, agreed in (("anna", True), ("bert", False)):
        await enrol(engine, name, phone="+49 151 1", preferred="whatsapp")
        if agreed:
            await agree(engine, name, channel="whatsapp")
        await plan(engine, name=name)
    await say()
    requested = [each for each in await told(engine) if each["type"] == "notification.requested"]
    assert {each["customer_id"]: (each["channel"], each["to"], each["delivered_by"]) for each in requested} == {
        "anna": ("whatsapp", "+49 151 1", "shop"),
        "bert": ("email", "bert@example.com", "loyalty"),
    }


async def test_without_a_mail_server_the_shops_own_mailer_is_asked(engine: AsyncEngine, clock: Clock) -> None:
    await enrol(engine)
    await plan(engine)
    await Sayer(NotificationsService(engine, links=LINKS, clock=clock), Alarm()).say_due()
    assert (await told(engine))[1]["delivered_by"] == "shop"
    assert await rows(engine, "SELECT FROM dispatch") == []


async def test_what_a_template_can_not_say_fails_alone(engine: AsyncEngine, say: Say) -> None:
    await enrol(engine)
    await plan(engine, "tier_reached")  # of which tier nobody says
    await plan(engine, "welcome", available=0)
    await say()
    status, reason = (await statuses(engine))["tier_reached"]
    assert (status, (reason or "")[:15]) == ("failed", "template-broken")
    assert (await statuses(engine))["welcome"] == ("requested", None)


async def test_what_can_not_be_written_down_costs_only_itself(engine: AsyncEngine, say: Say) -> None:
    await enrol(engine)
    await execute(engine, "ALTER TABLE notification ADD CHECK (NOT (subject = 'welcome' AND status = 'requested'))")
    await plan(engine, "welcome", available=0)
    await plan(engine, "tier_reached", tier="Gold", before="Silver", due_at=NOW + HOUR)
    await say(HOUR)
    await say(HOUR)
    assert (await statuses(engine))["tier_reached"] == ("requested", None)
    ((at,),) = [
        each.values() for each in await rows(engine, "SELECT due_at FROM notification WHERE subject = 'welcome'")
    ]
    assert at == NOW + 2 * HOUR


async def test_every_default_message_is_said(engine: AsyncEngine, say: Say, publish: Publish) -> None:
    await publish(frequency_cap=None)
    money = {"kind": "money_voucher", "amount": "5.00", "currency": "EUR", "minimum": "20.00"}
    gift = {"value": money, "code": "XMAS-7K2M-9QF4-T3HJ", "valid_until": "2026-12-24T00:00:00Z", "titles": {}}
    contents: dict[str, dict[str, Any]] = {
        "welcome": {"available": 200},
        "occasion:christmas": {},
        "occasion:appreciation-day": {},
        "occasion:anniversary": {"years": 2},
        "points_digest": {"awarded": 114, "activated": 80, "available": 1280, "pending": 34},
        "points_expiring": {"points": 80, "on": "2027-01-31", "available": 1280},
        "tier_reached": {"tier": "Gold", "before": None},
        "tier_dropping": {"tier": "Gold", "to": "Silver", "on": "2027-01-01", "missing": 220, "counts": "points"},
        "referral_rewarded": {"gift": {"value": {"kind": "points", "points": 500}}, "rung": 5},
        "pair_waiting": {"gift": gift, "code": "4T3H-B7KM", "until": "2026-12-23"},
        "coupon_expiring": {"gift": gift},
    }
    await enrol(engine, language="en")
    for subject, content in contents.items():
        await plan(engine, subject, content=content)
    await say()
    assert {status for status, _reason in (await statuses(engine)).values()} == {"requested"}, await statuses(engine)
    texts = {each["about"]: each["text"] for each in await told(engine) if each["type"] == "notification.requested"}
    assert "€5.00" in texts["coupon_expiring"]
    assert "31 January 2027" in texts["points_expiring"] or "January 31, 2027" in texts["points_expiring"]
    assert "500 points" in texts["referral_rewarded"]
    async with engine.connect() as connection:
        assert await verify(connection) == []


async def asked(sending: NotificationsService, *, given: bool = True) -> None:
    """Hear what a customer says to offers by mail, which a yes has to confirm."""
    said = HearConsent("anna", "email", "offers", given, "form", "yes")
    await sending.book([Request([said])])


async def test_who_says_yes_is_asked_on_that_channel_whatever_they_prefer(
    engine: AsyncEngine, sending: NotificationsService, say: Say, publish: Publish
) -> None:
    await publish(shop_channels=["whatsapp"])
    await enrol(engine, phone="+49 151 1", preferred="whatsapp")
    await execute(engine, "DELETE FROM consent")
    await asked(sending)
    await say()
    (requested,) = await told(engine)
    assert (requested["about"], requested["channel"]) == ("confirm_consent", "email")
    assert LINKS.confirm("anna", "email", "offers", NOW) in requested["text"]


async def test_who_has_said_no_meanwhile_is_not_asked(
    engine: AsyncEngine, sending: NotificationsService, say: Say, clock: Clock
) -> None:
    await enrol(engine)
    await execute(engine, "DELETE FROM consent")
    await asked(sending)
    clock.now += dt.timedelta(seconds=1)
    await asked(sending, given=False)
    await say(HOUR)
    assert await statuses(engine) == {"confirm_consent": ("suppressed", "consent-withdrawn")}
