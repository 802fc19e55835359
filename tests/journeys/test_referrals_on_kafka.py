"""Hundreds of friends and couples on real Kafka, while points and referrals die: everybody has what the facts say, once.

Coupons are issued by notifications, which hears of them.
"""

import datetime as dt
import itertools
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from threading import Event
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
from confluent_kafka.admin import AdminClient

from services.referrals.commands import MakeCode, Request
from services.referrals.lifecycle import Lifecycle
from services.referrals.programme import Programme
from services.referrals.rules import codes
from shared.database import create_engine, transact
from tests import plain
from tests.brokers import Broker
from tests.journeys import couples
from tests.journeys.friends import COUPONS, CUSTOMERS, POINTS, PURCHASES, Claim, Crowd, Record, Said
from tests.journeys.reading import end_of, standing_on
from tests.processes import Running, command, loyalty
from tests.shared.messaging.waiting import until
from tests.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

REFERRERS = 15
TIMES = int(os.environ.get("JOURNEY_TIMES", "2"))
KILLS = 4
PATIENCE = 60
KEY = "the-contact-key-of-this-journey-00"

HEARD = {
    "points": (PURCHASES, CUSTOMERS, "loyalty.referrals"),
    "referrals": (PURCHASES, CUSTOMERS, "loyalty.points"),
    "notifications": (PURCHASES, CUSTOMERS, "loyalty.points", "loyalty.referrals"),
}
READ = "SELECT coalesce(sum(next_offset), 0)::bigint FROM kafka_offset WHERE topic = $1"
UNSENT = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM dead_letter WHERE relayed_at IS NULL)"
DEAD = "SELECT code, count(*) FROM dead_letter GROUP BY code"
COUPONS_OF = """
SELECT customer_id, count(*) FROM coupon WHERE status = 'issued' AND customer_id = ANY($1::text[]) GROUP BY customer_id"""
GIVEN = {"loyalty.referral.rewarded.v1", "loyalty.pair.completed.v1"}
TAKEN_BACK = {"loyalty.referral.reversed.v1", "loyalty.pair.reversed.v1"}
BALANCES = "SELECT customer_id, available, pending, held FROM account"


class Journey:
    """The crowd, the broker, the books of the services, and their processes."""

    def __init__(self, servers: str, urls: dict[str, str], rng: random.Random, now: dt.datetime) -> None:
        self.servers = servers
        self.urls = urls
        self.rng = rng
        self.crowd = Crowd(servers, {f"r-{number}": codes.generate() for number in range(REFERRERS)}, rng, now)
        self.couples = couples.Couples(rng, now)
        self.books: dict[str, asyncpg.Connection] = {}
        self.running: dict[str, Running] = {}
        self.said: list[str] = []
        self.claims: list[Future[httpx.Response]] = []
        self._ends = ExitStack()
        self._over = Event()
        self._tills = ThreadPoolExecutor(2)
        self._client = self._ends.enter_context(httpx.Client(verify=plain.NO_CERTIFICATES, timeout=PATIENCE))

    @property
    def settings(self) -> dict[str, str]:
        urls = {f"{name}_database_url": url for name, url in self.urls.items()}
        keys = {"referrals_contact_key": KEY, "notifications_link_key": KEY}
        return urls | keys | {"kafka_bootstrap_servers": self.servers}

    @contextmanager
    def open(self) -> Iterator["Journey"]:
        with self._ends:
            try:
                yield self
            finally:
                self._over.set()
                self._tills.shutdown(cancel_futures=True)

    def start(self, name: str) -> None:
        line = ("services", name, *([] if name == "referrals" else ["--no-api"]))
        self.running[name] = self._ends.enter_context(loyalty(*line, **self._own(name)))

    def _own(self, name: str) -> dict[str, str]:
        others = {f"{other}_" for other in HEARD if other != name}
        return {each: value for each, value in self.settings.items() if not each.startswith(tuple(others))}

    def kill(self, name: str) -> None:
        self.running[name].kill()
        self.said.append(self.running[name].said())

    def say(self, said: list[Said]) -> None:
        """Send records, and have the claims made beside them."""
        for each in said:
            if isinstance(each, Claim):
                self.claims.append(self._tills.submit(self._insist, each))
            else:
                self.crowd.send(each)

    def _insist(self, claim: Claim) -> httpx.Response:
        """Claim, again until it is answered."""
        headers = {"Idempotency-Key": claim.customer_id.partition(":")[0]}
        while not self._over.wait(0.02):
            with suppress(httpx.TransportError):
                url = f"{self.running['referrals'].url}/v1/claims"
                answer = self._client.post(url, json=claim._asdict(), headers=headers)
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return answer
        raise AssertionError(f"{claim} was never answered")

    async def prepare(self) -> None:
        """Have two versions of the programme, a code of each referrer, and offers that couples have taken up."""
        engine, lifecycle, now = create_engine(self.urls["referrals"], name="tests"), Lifecycle(), self.crowd.now
        for rules in (POINTS, COUPONS):
            programme, begins = Programme.model_validate(rules.document), now - dt.timedelta(days=rules.days_ago)
            async with engine.begin() as connection:
                await lifecycle.publish(connection, programme, valid_from=begins, now=now, actor="tester")
        asked = {era: (self.couples.taking_up(era), now - dt.timedelta(days=ago)) for era, ago in couples.ERAS.items()}
        asked["now"] = [MakeCode(name, code) for name, code in self.crowd.codes.items()], now
        for commands, then in asked.values():
            work = partial(lifecycle.book, requests=[Request(commands)], now=then)
            for reply in await transact(engine, work):
                assert {each.status for each in reply.outcomes} == {"booked"}
        await engine.dispose()

    async def read(self, name: str) -> int:
        """Return how much a service has read of what the crowd sent."""
        return sum([int(await self.books[name].fetchval(READ, topic)) for topic in (PURCHASES, CUSTOMERS)])

    async def all_is_through(self) -> bool:
        """Tell whether each has said all it has to say, and read all that the others said."""
        for name, topics in HEARD.items():
            if await self.books[name].fetchval(UNSENT):
                return False
            if any([await self.books[name].fetchval(READ, topic) < end_of(self.servers, topic) for topic in topics]):
                return False
        return not any([await each.fetchval(UNSENT) for each in self.books.values()])


@pytest.fixture
async def journey(
    broker: Broker, database_url: str, referrals_url: str, notifications_url: str
) -> AsyncIterator[Journey]:
    seed = int(os.environ.get("JOURNEY_SEED", "20261124"))
    print(f"JOURNEY_SEED={seed}")  # noqa: T201 - makes a failure repeatable
    urls = {"points": database_url, "referrals": referrals_url, "notifications": notifications_url}
    journey = Journey(broker.bootstrap_servers, urls, random.Random(seed), dt.datetime.now(dt.UTC))
    journey.books = {name: await asyncpg.connect(url) for name, url in urls.items()}
    with journey.open():
        yield journey
    for each in journey.books.values():
        await each.close()


async def test_everybody_gets_what_the_facts_say_whatever_dies_and_comes_again(journey: Journey) -> None:
    await journey.prepare()
    begin(journey)
    await invite_while_both_die(journey)
    await until(journey.all_is_through, wanted=True, seconds=PATIENCE)
    for running in journey.running.values():
        assert running.interrupt() == 0
        journey.said.append(running.said())
    assert "Traceback" not in "".join(journey.said)
    await the_points_are_those_of_the_model(journey)
    await every_reward_was_said_once(journey)
    await every_coupon_is_what_was_said_of_it(journey)
    await both_of_a_pair_have_what_they_did_together(journey)
    dead = {name: dict(await each.fetch(DEAD)) for name, each in journey.books.items()}
    assert dead == dict.fromkeys(HEARD, BOTH_DEAD)
    verified = command("verify", **journey.settings)
    assert verified.returncode == 0, verified.stdout


def begin(journey: Journey) -> None:
    for name in HEARD:
        journey.start(name)
    admin = AdminClient({"bootstrap.servers": journey.servers, "log_level": 0})
    wanted = set(itertools.chain(*HEARD.values()))
    eventually(lambda: wanted <= admin.list_topics(timeout=10).topics.keys())


async def invite_while_both_die(journey: Journey) -> None:
    said = [*journey.crowd.invite(TIMES), *journey.couples.buy()]
    journey.rng.shuffle(said)
    journey.say(BAD)
    portion = len(said) // KILLS + 1
    for number in range(KILLS):
        journey.say(said[number * portion : (number + 1) * portion])
        name = list(HEARD)[number % 2]
        await at_a_random_moment(journey, name, portion)
        journey.kill(name)
        journey.start(name)
    # much of it comes once more
    journey.say(journey.rng.sample(said, len(said) // 4))
    journey.crowd.flush()
    assert {each.result(PATIENCE).status_code for each in journey.claims} == {201}


async def at_a_random_moment(journey: Journey, name: str, portion: int) -> None:
    """Return when a service is somewhere in the last portion."""
    wanted = journey.crowd.sent.total() - int(portion * journey.rng.random())
    deadline = time.monotonic() + PATIENCE
    while (read := await journey.read(name)) < wanted:
        assert time.monotonic() < deadline, f"{name} has read {read} of {wanted} records"
        time.sleep(0.02)


BAD: list[Said] = [Record(PURCHASES, "nobody", b"{"), Record(CUSTOMERS, "nobody", None)]
BOTH_DEAD = {"event-malformed": 1, "event-empty": 1}


async def the_points_are_those_of_the_model(journey: Journey) -> None:
    points = journey.crowd.points() | journey.couples.points()
    wanted = {name: (each, 0, 0) for name, each in points.items()}
    rows = await journey.books["points"].fetch(BALANCES)
    found = dict.fromkeys(wanted, (0, 0, 0)) | {row[0]: tuple(row)[1:] for row in rows}
    assert {name: (found[name], wanted[name]) for name in found if found[name] != wanted[name]} == {}


async def both_of_a_pair_have_what_they_did_together(journey: Journey) -> None:
    """And of a pair that came to nothing, or was given back, neither has anything."""
    stands = await journey.books["referrals"].fetch("SELECT pair_id, status FROM pair")
    assert dict(stands) == {each.pair_id: each.status for each in journey.couples.couples}
    assert {status for _, status in stands} == {"completed", "accepted", "expired"}
    names = [name for each in journey.couples.couples for name in each.both]
    assert dict(await journey.books["notifications"].fetch(COUPONS_OF, names)) == journey.couples.coupons()


async def every_coupon_is_what_was_said_of_it(journey: Journey) -> None:
    """Each coupon that was due is there once, and void where it was taken back."""
    wanted: dict[str, str] = {}
    for record in standing_on(journey.servers, "loyalty.referrals"):
        event = orjson.loads(record.value)
        data = event["data"]
        if event["type"] in GIVEN and data["reward"]["kind"] == "coupon":
            wanted.setdefault(data["reward_id"], "issued")
        if event["type"] in TAKEN_BACK and data.get("reward_kind") == "coupon":
            wanted[data["reward_id"]] = "voided"
    found = await journey.books["notifications"].fetch("SELECT coupon_id, status FROM coupon")
    assert dict(found) == wanted
    assert set(wanted.values()) == {"issued", "voided"}


async def every_reward_was_said_once(journey: Journey) -> None:
    """At least once, that is: the same event may come again, but no reward is said by two of them."""
    events: dict[tuple[str, str], Any] = {}
    for record in standing_on(journey.servers, "loyalty.referrals"):
        event = orjson.loads(record.value)
        assert events.setdefault((event["subject"], event["sequence"]), event) == event
    rewarded = [event["data"] for event in events.values() if event["type"] in GIVEN]
    assert len({each["reward_id"] for each in rewarded}) == len(rewarded)
    kinds = {(each["reward"]["kind"], each["side"]) for each in rewarded}
    assert kinds == set(itertools.product(("points", "coupon"), ("friend", "referrer")))
    granted = await journey.books["points"].fetch("SELECT reward_id FROM points_grant")
    assert {row[0] for row in granted} == {each["reward_id"] for each in rewarded if each["reward"]["kind"] == "points"}
