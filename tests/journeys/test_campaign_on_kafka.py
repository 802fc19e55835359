"""A campaign for thousands while processes die: everybody has one coupon and one mail."""

import asyncio
import datetime as dt
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import asyncpg
import pytest
from aiosmtpd.smtp import Envelope

from services.notifications.sending.posting import BATCH
from tests import brokers
from tests.brokers import Broker
from tests.journeys.birthdays import DAY
from tests.journeys.travelling import KEY, PATIENCE, Shop, programme
from tests.mail_servers import MailServer, mail_server
from tests.processes import command, loyalty
from tests.shared.messaging.waiting import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

VALUE = {"kind": "percentage_voucher", "percent": "10"}
GIFT = {"kind": "coupon", "coupon": {"value": VALUE, "valid_days": 30, "code_prefix": "XMAS"}}
CROWD = 1_500
DIES_AT = (200, 800)
"""After so many mails a process dies."""

STATUSES = "SELECT status, count(*) FROM notification GROUP BY status"
MESSAGE_ID = re.compile(rb"^Message-ID: *(\S+)", re.MULTILINE | re.IGNORECASE)


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """One that saw no other year: what is of the future is refused by processes of today."""
    with brokers.running() as started:
        yield started


@pytest.fixture
async def post() -> AsyncIterator[MailServer]:
    async with mail_server(MailServer()) as taking:
        yield taking


def campaign() -> dict[str, Any]:
    """Return one whose only day was yesterday, so that everybody's place in it has come."""
    begins = dt.datetime.now(dt.UTC).date() - DAY
    terms = {"kind": "campaign", "name": "christmas", "template": "christmas", "benefit": GIFT, "days": 1}
    return terms | {"begins": f"{begins:%m-%d}", "hours": {"from": "00:00", "until": "12:00"}}


async def test_everybody_has_one_coupon_and_one_mail_though_processes_die_over_a_campaign(
    own_broker: Broker, notifications_url: str, post: MailServer
) -> None:
    shop = Shop(
        own_broker.bootstrap_servers, post, dt.datetime.now(dt.UTC), notifications_database_url=notifications_url
    )
    books = await asyncpg.connect(notifications_url)
    async with shop.open():
        # first, or it would be the default's: whoever agreed is asked to confirm it
        await shop.publish(programme(campaign(), quiet_hours=None, time_zone="UTC"))
        await shop.send(*(shop.customer(f"c-{number}") for number in range(CROWD)))
        await shop.know(CROWD)
    # the time of its jobs has come
    await books.execute("DELETE FROM job_run")
    await books.execute("DELETE FROM sweep")
    for mails in DIES_AT:
        await dies(shop, books, partial(have_come, post, mails))
    with loyalty("services", "notifications", "--no-api", **shop.environment) as last:
        await until(lambda: all_statuses(books), {"sent": CROWD}, seconds=PATIENCE)
        await until(lambda: books.fetchval("SELECT count(*) FROM outbox"), 0, seconds=PATIENCE)
        assert await asyncio.to_thread(last.interrupt) == 0
        assert "Traceback" not in last.said()
    everybody = sorted(f"c-{number}" for number in range(CROWD))
    # what had arrived when its process died comes again, as the same mail
    assert sorted(name for name, _ in {named(each) for each in post.taken}) == everybody
    assert len(post.taken) <= CROWD + len(DIES_AT) * BATCH
    assert sorted(each["customer_id"] for each in shop.said("coupon.issued")) == everybody
    assert await books.fetchval("SELECT count(DISTINCT code) FROM coupon") == CROWD
    await books.close()
    verified = command("verify", notifications_database_url=notifications_url, notifications_link_key=KEY)
    assert verified.returncode == 0, verified.stdout


async def dies(shop: Shop, books: asyncpg.Connection, moment: Callable[[], Awaitable[int]]) -> None:
    """Run a process until a moment has come, and kill it there."""
    with loyalty("services", "notifications", "--no-api", **shop.environment) as running:
        async with asyncio.timeout(PATIENCE):
            while not await moment():
                assert running.process.poll() is None, running.said()
                await asyncio.sleep(0.005)
        await asyncio.to_thread(running.kill)
    # as if the lease of what it had taken were over
    await books.execute("UPDATE dispatch SET due_at = now() WHERE status = 'waiting'")


async def have_come(post: MailServer, mails: int) -> int:
    return len(post.taken) >= mails


async def all_statuses(books: asyncpg.Connection) -> dict[str, int]:
    return dict(await books.fetch(STATUSES))


def named(mail: Envelope) -> tuple[str, bytes]:
    """Return to whom a mail went, and under which id."""
    found = MESSAGE_ID.search(mail.original_content or b"")
    assert found is not None
    return mail.rcpt_tos[0].partition("@")[0], found[1]
