"""Customers through the years on real Kafka and with a real mail server: each hears once, on their day, by their own clock."""

import datetime as dt
import re
from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

import pytest

from tests.brokers import Broker
from tests.journeys.birthdays import DAY, everybody, hear_at, instants
from tests.journeys.travelling import Shop, programme
from tests.mail_servers import MailServer, mail_server

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

VALID_DAYS = 30
GIFT = {
    "kind": "coupon",
    "coupon": {
        "value": {"kind": "percentage_voucher", "percent": "10"},
        "valid_days": VALID_DAYS,
        "code_prefix": "BDAY",
    },
}
BIRTHDAY = {
    "kind": "anniversary",
    "of": "birthday",
    "name": "birthday",
    "template": "birthday",
    "benefit": GIFT,
}
CODE = re.compile(r"BDAY(?:-[0-9A-Z]{4}){3}")


@pytest.fixture
async def post() -> AsyncIterator[MailServer]:
    async with mail_server(MailServer()) as taking:
        yield taking


def who_heard(shop: Shop) -> list[tuple[str, dt.datetime]]:
    """Return to whom mails came, and when."""
    return sorted((mail["To"].partition("@")[0], mail["Date"].datetime) for mail in shop.mails())


async def test_everybody_hears_once_a_year_at_nine_by_their_own_clock(
    broker: Broker, notifications_url: str, post: MailServer
) -> None:
    first, last = dt.date(2026, 12, 29), dt.date(2028, 3, 3)
    begin = dt.datetime.combine(first, dt.time(), dt.UTC)
    shop = Shop(broker.bootstrap_servers, post, begin, notifications_database_url=notifications_url)
    people = everybody()
    async with shop.open():
        await shop.publish(programme(BIRTHDAY))
        await shop.hear(
            *(shop.customer(each.name, time_zone=each.zone, birthday=each.born.isoformat()) for each in people)
        )
        await shop.live_until(instants(first, last))
        await shop.all_is_said()
        assert await shop.findings() == []
    wanted = hear_at(people, first, last)
    assert who_heard(shop) == wanted
    zones = {each.name: ZoneInfo(each.zone) for each in people}
    codes = {(each["customer_id"], each["code"]): each for each in shop.said("coupon.issued")}
    assert len(codes) == len(wanted)
    for mail in shop.mails():
        name, at = mail["To"].partition("@")[0], mail["Date"].datetime
        (code,) = set(CODE.findall(mail.get_body(("plain",)).get_content()))
        coupon, day = codes[name, code], at.astimezone(zones[name]).date() + (VALID_DAYS + 1) * DAY
        assert dt.datetime.fromisoformat(coupon["occurred_at"]) == at
        assert dt.datetime.fromisoformat(coupon["valid_until"]) == dt.datetime.combine(day, dt.time(), zones[name])
    assert len(list(shop.said("notification.sent"))) == len(wanted)
