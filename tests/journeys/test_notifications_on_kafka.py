"""Customers through the years on real Kafka and with a real mail server: each hears once, on their day, by their own clock."""

import datetime as dt
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from services.registry import POINTS
from tests.brokers import Broker
from tests.journeys.birthdays import DAY, Person, everybody, hear_at, instants
from tests.journeys.friends import Record
from tests.journeys.reading import end_of, standing_on
from tests.journeys.travelling import LONG_AGO, PATIENCE, SAID, Mail, Shop, programme
from tests.mail_servers import MailServer, mail_server
from tests.shared.messaging.waiting import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

BERLIN = ZoneInfo("Europe/Berlin")
READ = "SELECT coalesce(sum(next_offset), 0)::bigint FROM kafka_offset WHERE topic = $1"
VALID_DAYS = 30
VALUE = {"kind": "percentage_voucher", "percent": "10"}
GIFT = {"kind": "coupon", "coupon": {"value": VALUE, "valid_days": VALID_DAYS, "code_prefix": "BDAY"}}
CODE = re.compile(r"BDAY(?:-[0-9A-Z]{4}){3}")


def birthday(**more: Any) -> dict[str, Any]:
    terms = {"kind": "anniversary", "of": "birthday", "name": "birthday", "template": "birthday", "benefit": GIFT}
    return terms | more


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{text}Z")


@pytest.fixture
async def post() -> AsyncIterator[MailServer]:
    async with mail_server(MailServer()) as taking:
        yield taking


def who_heard(shop: Shop) -> list[tuple[str, dt.datetime]]:
    return sorted((mail.name, mail.at) for mail in shop.mails())


# Birthdays


async def test_everybody_hears_once_a_year_at_nine_by_their_own_clock(
    broker: Broker, notifications_url: str, post: MailServer
) -> None:
    first, last = dt.date(2026, 12, 29), dt.date(2028, 3, 3)
    shop = Shop(broker.bootstrap_servers, post, utc(f"{first}T00:00"), notifications_database_url=notifications_url)
    people = everybody()
    async with shop.open():
        await shop.publish(programme(birthday()))
        await shop.send(*(shop.customer(each.name, time_zone=each.zone, birthday=str(each.born)) for each in people))
        await shop.know(len(people))
        await shop.live_through(instants(first, last))
        await shop.say_all()
        assert await shop.findings() == []
    assert who_heard(shop) == hear_at(people, first, last)
    every_mail_has_its_own_coupon(shop, people)
    assert len(shop.said("notification.sent")) == len(shop.mails())


def every_mail_has_its_own_coupon(shop: Shop, people: list[Person]) -> None:
    zones = {each.name: ZoneInfo(each.zone) for each in people}
    coupons = [(each["customer_id"], each["code"], instant(each, "valid_until")) for each in shop.said("coupon.issued")]
    mailed = [(mail.name, code_in(mail), end_of_gift_of(mail, zones[mail.name])) for mail in shop.mails()]
    assert sorted(coupons) == sorted(mailed)


def code_in(mail: Mail) -> str:
    (code,) = set(CODE.findall(mail.text))
    return str(code)


def instant(said: dict[str, Any], name: str) -> dt.datetime:
    return dt.datetime.fromisoformat(said[name])


def end_of_gift_of(mail: Mail, zone: ZoneInfo) -> dt.datetime:
    """Return when a gift is over: with the thirtieth day after the one it came on, where the customer is."""
    return dt.datetime.combine(mail.at.astimezone(zone).date() + (VALID_DAYS + 1) * DAY, dt.time(), zone)


# Outages


CATCH_UP_DAYS = 3
OUTAGE = utc("2027-06-04T12:00"), utc("2027-06-11T12:00")


def hears_at(person: Person) -> dt.datetime | None:
    """Return when somebody hears though nothing runs for a week: as soon as it does, unless that is too late."""
    day = person.kept_on(2027)
    due, (down, up) = person.nine_on(day), OUTAGE
    if not down < due < up:
        return due
    return up if up.astimezone(BERLIN).date() <= day + CATCH_UP_DAYS * DAY else None


async def test_a_week_without_a_run_is_caught_up_once_and_only_as_far_as_it_means_something(
    broker: Broker, notifications_url: str, post: MailServer
) -> None:
    down, up = OUTAGE
    people = [Person(f"c-{day}", "Europe/Berlin", dt.date(1990, 6, day)) for day in range(1, 15)]
    mornings = [each.nine_on(each.kept_on(2027)) for each in people]
    shop = Shop(broker.bootstrap_servers, post, utc("2027-05-31T12:00"), notifications_database_url=notifications_url)
    told = [shop.customer(each.name, birthday=str(each.born)) for each in people]
    async with shop.open():
        await shop.publish(programme(birthday(catch_up_days=CATCH_UP_DAYS)))
        await shop.send(*told[:9])
        await shop.know(9)
        await shop.live_through(at for at in [*mornings, down] if at <= down)
    # of the others is told while nobody listens
    await shop.send(*told[9:])
    shop.clock.now = up
    async with shop.open():
        await shop.know(len(people))
        await shop.live_through(at for at in [up, *mornings] if at >= up)
        await shop.say_all()
        assert await shop.findings() == []
    hear = [(each.name, at) for each in people if (at := hears_at(each)) is not None]
    assert who_heard(shop) == sorted(hear)
    assert sorted(each["customer_id"] for each in shop.said("coupon.issued")) == sorted(name for name, _ in hear)
    # what was planned before and means nothing any more is said to be so
    gone = {each["customer_id"]: each["reason"] for each in shop.said("notification.suppressed")}
    assert gone == dict.fromkeys(("c-5", "c-6", "c-7"), "too-old")


# Unsubscribing


async def test_one_click_on_a_mail_of_a_year_ago_stops_what_is_planned(
    broker: Broker, notifications_url: str, post: MailServer
) -> None:
    shop = Shop(broker.bootstrap_servers, post, utc("2027-06-09T12:00"), notifications_database_url=notifications_url)
    async with shop.open():
        await shop.publish(programme(birthday()))
        await shop.send(*(shop.customer(name, birthday="1990-06-10") for name in ("anna", "ben")))
        await shop.know(2)
        await shop.live_through([utc("2027-06-10T07:00"), utc("2028-06-08T12:00")])
        assert await shop.books.fetchval("SELECT count(*) FROM notification WHERE status = 'planned'") == 2
        (link,) = {mail.unsubscribe for mail in shop.mails() if mail.name == "anna"}
        answer = await shop.api.post(link, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        await shop.live_through([utc("2028-06-10T07:00")])
        await shop.say_all()
        assert await shop.findings() == []
    assert Counter(mail.name for mail in shop.mails()) == {"anna": 1, "ben": 2}
    (suppressed,) = shop.said("notification.suppressed")
    assert (suppressed["customer_id"], suppressed["reason"]) == ("anna", "consent-withdrawn")
    # a gift is given all the same
    assert Counter(each["customer_id"] for each in shop.said("coupon.issued")) == {"anna": 2, "ben": 2}


# Points


POINTS_GIVEN, FRIENDS = 50, 20
JOINED = {"kind": "anniversary", "of": "joining", "name": "joined", "template": "anniversary"}
BALANCES = "SELECT customer_id, available FROM account"


async def test_points_of_an_occasion_are_booked_once_however_often_they_are_heard(
    broker: Broker, database_url: str, notifications_url: str, post: MailServer
) -> None:
    urls = {"notifications_database_url": notifications_url, "points_database_url": database_url}
    shop = Shop(broker.bootstrap_servers, post, utc("2027-05-16T12:00"), **urls)
    names = [f"c-{number}" for number in range(FRIENDS)]
    points = await asyncpg.connect(database_url)
    async with shop.open(POINTS):
        await shop.publish(programme(JOINED | {"benefit": {"kind": "points", "points": POINTS_GIVEN}}))
        await shop.send(*(shop.customer(name, registered_at=LONG_AGO.isoformat()) for name in names))
        await shop.know(FRIENDS)
        await shop.live_through([utc("2027-05-17T07:00")])
        await shop.say_all()
        for _ in range(2):
            await shop.send(*(Record(SAID, each.key.decode(), each.value) for each in standing_on(shop.servers, SAID)))
        await until(lambda: points.fetchval(READ, SAID), end_of(shop.servers, SAID), seconds=PATIENCE)
        assert await shop.findings() == []
    assert dict(await points.fetch(BALANCES)) == dict.fromkeys(names, POINTS_GIVEN)
    assert await points.fetchval("SELECT count(*) FROM entry WHERE kind = 'grant'") == FRIENDS
    assert sorted(mail.name for mail in shop.mails()) == sorted(names)
    assert all(f"{POINTS_GIVEN} " in mail.text for mail in shop.mails())
    await points.close()
