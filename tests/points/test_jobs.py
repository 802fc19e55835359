"""Jobs of the points service: what is due is booked once, however many run, late, twice, cut off or on a clock that jumps."""

import asyncio
import datetime as dt
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points import jobs, queries
from services.points.commands import AwardPurchase, Command, MergeAccounts, Request, SettleAccount
from services.points.ledger import Ledger
from services.points.programme import Programme
from services.points.service import PointsService
from services.points.verification import verify
from shared import embedded_postgres
from shared.database import create_engine, fetch
from shared.jobs import UndoneError
from tests.conftest import fresh_database
from tests.points.conftest import NOW, Book, adjustment, claim, enrolment, publish, purchase, refund
from tests.processes import COMMAND, command, environment

DAY = dt.timedelta(days=1)
LONG_AGO = NOW - 1000 * DAY

Document = dict[str, Any]

ENDS: Document = {"time_zone": "Europe/Berlin", "expiry": {"model": "after_earning", "months": 2, "announce_days": 10}}
WAITS: Document = {"time_zone": "Europe/Berlin", "pending_days": 14}
LAPSES: Document = {"time_zone": "Europe/Berlin", "expiry": {"model": "inactivity", "months": 2, "announce_days": 10}}
LEVELS: list[dict[str, Any]] = [
    {"name": name, "threshold": place * 100} for place, name in enumerate(("Basic", "Silver", "Gold"))
]
ROLLING: Document = {
    "time_zone": "Europe/Berlin",
    "tiers": {"window": "rolling_year", "levels": LEVELS, "announce_days": 10},
}

DUE = "SELECT count(*) FROM account WHERE due_at <= $1"
EVENTS = "SELECT convert_from(payload, 'UTF8')::jsonb->>'type' FROM outbox WHERE topic = 'loyalty.points' ORDER BY id"

Settle = Callable[[dt.datetime], Awaitable[int]]


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def bought(occurred_at: str, invoice: str = "R-1", **more: Any) -> AwardPurchase:
    """A purchase that comes when it happens."""
    made = purchase(invoice, occurred_at=occurred_at, **more)
    return made._replace(origin=made.origin._replace(received_at=at(occurred_at)))


def quiet(_done: int, _of: int) -> None:
    pass


async def rows(engine: AsyncEngine, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await fetch(connection, statement, *arguments)]


async def entries(engine: AsyncEngine, customer: str = "c-1") -> list[tuple[str, int]]:
    return [*await rows(engine, "SELECT kind, points FROM entry WHERE customer_id = $1 ORDER BY sequence", customer)]


async def said(engine: AsyncEngine) -> list[str]:
    return [kind.removeprefix("loyalty.").removesuffix(".v1") for (kind,) in await rows(engine, EVENTS)]


async def tier(engine: AsyncEngine) -> tuple[Any, ...]:
    return (await rows(engine, "SELECT tier, tier_since, tier_review_on FROM account"))[0]


async def the_books_are_right(engine: AsyncEngine) -> None:
    # whole tables are read, which connections that look rows up by their keys do slowly
    reading = create_engine(engine.url.render_as_string(hide_password=False), name="verify", reporting=True)
    async with reading.connect() as connection:
        assert await verify(connection) == []
    await reading.dispose()


async def settled(engine: AsyncEngine, now: dt.datetime) -> int:
    service = PointsService(engine, clock=lambda: now)
    return await jobs.settle(service, engine, quiet)


@pytest.fixture
def settle(engine: AsyncEngine) -> Settle:
    """Run the job at an instant."""

    async def run(now: dt.datetime) -> int:
        return await settled(engine, now)

    return run


@pytest.fixture
async def holds(engine: AsyncEngine) -> Callable[[dict[str, Any]], Awaitable[None]]:
    """Let a programme hold since long ago."""

    async def run(document: dict[str, Any]) -> None:
        await publish(engine, Programme.model_validate(document), valid_from=LONG_AGO)

    return run


Holds = Callable[[dict[str, Any]], Awaitable[None]]


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Pacific/Auckland"])
def machine_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The zone of the machine that it runs on, which says nothing about the shop's days."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


async def many(book: Book, customers: int, *, now: dt.datetime = NOW) -> None:
    """Book a purchase of 100.00 for each of so many customers."""
    for first in range(0, customers, 2_000):
        numbers = range(first, min(first + 2_000, customers))
        await book(*(purchase(f"R-{n}", customer=f"c-{n}") for n in numbers), now=now)


# What is due


async def test_points_end_with_the_job_and_the_books_are_right(
    holds: Holds, book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await holds(ENDS)
    await book(purchase())
    assert await settle(NOW + 70 * DAY) == 1
    assert await entries(engine) == [("award", 100), ("expiry", -100)]
    assert await said(engine) == ["account.opened", "points.awarded", "points.expired"]
    await the_books_are_right(engine)


async def test_rule_10_an_end_is_told_once_ahead_of_time(
    holds: Holds, book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await holds(ENDS)
    await book(purchase())
    assert [await settle(at("2027-01-12T22:59:59Z")), await settle(at("2027-01-12T23:00Z"))] == [0, 1]
    assert await settle(at("2027-01-20T12:00Z")) == 0
    assert (await said(engine))[2:] == ["points.expiring"]


async def test_rule_7_points_become_available_with_the_job(
    holds: Holds, book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await holds(WAITS)
    await book(purchase())
    await settle(NOW + 20 * DAY)
    assert await rows(engine, "SELECT available, pending, due_at FROM account") == [(100, 0, None)]
    await the_books_are_right(engine)


async def test_inactivity_ends_points_and_a_purchase_keeps_them(
    holds: Holds, book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await holds(LAPSES)
    await book(purchase())
    await book(bought("2026-12-23T10:00:00Z", "R-2"), now=NOW + 30 * DAY)
    await settle(NOW + 70 * DAY)
    assert await rows(engine, "SELECT available FROM account") == [(200,)]
    await settle(NOW + 100 * DAY)
    assert await rows(engine, "SELECT available FROM account") == [(0,)]


async def test_points_given_by_hand_to_an_inactive_customer_do_not_end_at_once(
    holds: Holds, book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await holds(LAPSES)
    await book(purchase())
    await book(adjustment(50), now=NOW + 100 * DAY)
    await settle(NOW + 101 * DAY)
    assert await rows(engine, "SELECT available FROM account") == [(50,)]
    await the_books_are_right(engine)


async def test_points_that_ended_before_they_were_booked_can_not_be_spent_in_the_same_batch(
    holds: Holds, book: Book
) -> None:
    await holds(ENDS)
    (_, spent) = await book(purchase(occurred_at="2026-01-01T10:00:00Z"), adjustment(-50))
    assert spent.code == "insufficient-points"


async def test_what_a_new_programme_brings_is_booked_when_it_begins_to_hold(
    book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await publish(engine, Programme.model_validate({"pending_days": 5}), valid_from=LONG_AGO)
    await book(purchase())
    await publish(engine, Programme.model_validate({"pending_days": 5} | ROLLING), valid_from=NOW + 30 * DAY)
    await book(purchase("R-2", customer="c-2"))
    # the points that become available before are not all that is to come
    await settle(NOW + 20 * DAY)
    assert await settle(NOW + 30 * DAY) == 2
    assert await rows(engine, "SELECT DISTINCT tier FROM account") == [("Silver",)]


@pytest.mark.parametrize("command", [SettleAccount("c-1"), purchase("R-2", customer="c-2")])
async def test_a_programme_published_while_accounts_are_settled_or_opened_is_not_missed(
    command: Command, book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await publish(engine, Programme.model_validate({"pending_days": 5}), valid_from=LONG_AGO)
    await book(purchase())
    later = NOW + 20 * DAY
    async with engine.begin() as publishing:
        tiers = Programme.model_validate(ROLLING)
        await Ledger().publish(publishing, tiers, valid_from=later, now=later, actor="tester")
        await book(command, now=later)
    await settle(later)
    assert await rows(engine, "SELECT DISTINCT tier FROM account") == [("Silver",)]
    assert await settle(later) == 0


async def test_publishing_writes_no_account_and_waits_for_no_till(book: Book, engine: AsyncEngine) -> None:
    await many(book, 3)
    before = await rows(engine, "SELECT customer_id, xmin::text, ctid::text FROM account ORDER BY 1")
    async with engine.begin() as till, asyncio.timeout(10):
        await fetch(till, "SELECT 1 FROM account FOR UPDATE")
        await publish(engine, Programme.model_validate(ROLLING))
    assert await rows(engine, "SELECT customer_id, xmin::text, ctid::text FROM account ORDER BY 1") == before


async def test_a_till_settles_its_customer_under_the_new_programme_and_the_job_the_others(
    book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await many(book, 3)
    await publish(engine, Programme.model_validate(ROLLING))
    (bought,) = await book(purchase("R-9", "1.00", "c-1"))
    assert bought.standing is not None
    assert bought.standing.name == "Silver"
    assert [await settle(NOW), await settle(NOW)] == [2, 0]
    assert await rows(engine, "SELECT tier, count(*) FROM account GROUP BY 1") == [("Silver", 3)]
    await the_books_are_right(engine)


async def test_an_account_read_before_it_is_settled_shows_the_tier_of_the_new_programme(
    book: Book, engine: AsyncEngine
) -> None:
    await book(purchase())
    await publish(engine, Programme.model_validate(ROLLING))
    view = await PointsService(engine, clock=lambda: NOW).account("c-1")
    assert view is not None
    assert view["tier"]["name"] == "Silver"
    assert (await tier(engine))[0] is None


async def test_a_new_programme_settles_each_account_once_whatever_else_is_due_on_it(
    book: Book, engine: AsyncEngine, database_url: str
) -> None:
    await publish(engine, Programme.model_validate({"pending_days": 5}), valid_from=LONG_AGO)
    await many(book, 2_500)
    await publish(engine, Programme.model_validate({}), valid_from=NOW + DAY)
    await book(*(bought("2026-12-01T10:00:00Z", f"S-{n}", customer=f"s-{n}") for n in range(2_500)), now=NOW + 8 * DAY)
    await publish(engine, Programme.model_validate(ROLLING), valid_from=NOW + 20 * DAY)
    later = NOW + 20 * DAY
    told: list[tuple[int, int]] = []
    other = create_engine(database_url, name="other", pool_size=5)
    done = await asyncio.gather(
        jobs.settle(PointsService(engine, clock=lambda: later), engine, lambda *each: told.append(each)),
        settled(other, later),
    )
    await other.dispose()
    assert sum(done) == 5_000
    assert told[-1][1] == 5_000
    assert await settled(engine, later) == 0
    assert await rows(engine, "SELECT DISTINCT tier, settled_under FROM account") == [("Silver", 4)]
    await the_books_are_right(engine)


async def test_a_programme_with_the_same_tiers_and_dates_makes_nobody_due(
    holds: Holds, book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await holds(ROLLING)
    await book(purchase())
    await publish(engine, Programme.model_validate(ROLLING | {"minimum": "5"}))
    assert await settle(NOW) == 0
    await publish(engine, Programme.model_validate({"minimum": "5"}))
    assert [await settle(NOW), await settle(NOW)] == [1, 0]


async def test_an_account_that_was_merged_is_never_due(book: Book, settle: Settle, engine: AsyncEngine) -> None:
    await book(purchase(), enrolment("c-2"), MergeAccounts("c-2", "c-1", "enrolled twice"))
    await publish(engine, Programme.model_validate(ROLLING))
    assert await settle(NOW) == 1


async def test_a_tier_without_a_review_gets_one_from_a_programme_that_reviews(
    book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    lasting = {"tiers": ROLLING["tiers"] | {"window": "lifetime"}}
    await publish(engine, Programme.model_validate(lasting), valid_from=LONG_AGO)
    await book(purchase())
    await publish(engine, Programme.model_validate({"tiers": ROLLING["tiers"]}))
    await settle(NOW)
    assert await tier(engine) == ("Silver", dt.date(2026, 11, 23), dt.date(2027, 11, 23))


async def test_rule_22_a_review_takes_the_tier_that_is_not_earned_again(
    holds: Holds, book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await holds(ROLLING)
    await book(purchase(total="200.00"))
    await settle(at("2027-11-13T12:00:00+01:00"))
    assert (await said(engine))[-1] == "tier.expiring"
    await settle(at("2027-11-23T00:00:00+01:00"))
    assert await tier(engine) == ("Basic", dt.date(2027, 11, 23), None)
    await the_books_are_right(engine)


# Late, twice, at once, cut off


async def test_twice_is_once(holds: Holds, book: Book, settle: Settle, engine: AsyncEngine) -> None:
    await holds(ENDS)
    await many(book, 50)
    assert [await settle(NOW + 70 * DAY), await settle(NOW + 70 * DAY)] == [50, 0]
    await the_books_are_right(engine)


async def test_two_processes_at_once_settle_each_account_once(
    holds: Holds, book: Book, engine: AsyncEngine, database_url: str
) -> None:
    await holds(ENDS)
    await many(book, 5_000)
    other = create_engine(database_url, name="other", pool_size=5)
    done = await asyncio.gather(*(settled(each, NOW + 70 * DAY) for each in (engine, other)))
    assert sum(done) == 5_000
    await the_books_are_right(engine)
    await other.dispose()


async def test_purchases_that_come_while_it_runs_are_booked_and_it_too(
    holds: Holds, book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await holds(ENDS)
    await many(book, 3_000)
    late = NOW + 70 * DAY
    buying = [bought(late.isoformat(), f"S-{n}", customer=f"c-{n}") for n in range(0, 3_000, 30)]
    await asyncio.gather(settle(late), *(book(each, now=late) for each in buying))
    assert await rows(engine, "SELECT sum(available)::int FROM account") == [(100 * 100,)]
    assert await rows(engine, DUE, late) == [(0,)]
    await the_books_are_right(engine)


@pytest.mark.slow
async def test_killed_in_the_middle_and_run_again_it_books_each_end_once(
    holds: Holds, book: Book, engine: AsyncEngine, database_url: str
) -> None:
    await holds(ENDS)
    old = [(f"R-{n}", f"c-{n}") for n in range(12_000)]
    for first in range(0, len(old), 2_000):
        batch = old[first : first + 2_000]
        await book(*(purchase(name, customer=who, occurred_at="2026-08-01T10:00:00Z") for name, who in batch))
    start = [COMMAND, "jobs", "run", "expire"]
    settings = environment(points_database_url=database_url)
    with subprocess.Popen(start, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        await begun(engine, 12_000)
        process.send_signal(signal.SIGKILL)
    (left,) = (await rows(engine, DUE, NOW))[0]
    assert 0 < left < 12_000
    again = command("jobs", "run", "expire", points_database_url=database_url)
    assert again.returncode == 0, again.stderr
    assert await rows(engine, "SELECT count(*), sum(points)::int FROM entry WHERE kind = 'expiry'") == [
        (12_000, -1_200_000)
    ]
    await the_books_are_right(engine)


async def begun(engine: AsyncEngine, accounts: int) -> None:
    while (await rows(engine, DUE, NOW))[0][0] == accounts:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)


async def test_a_month_late_the_books_are_those_of_a_job_that_ran_every_day(
    server: embedded_postgres.Server, template: str
) -> None:
    async with fresh_database(server, template) as daily, fresh_database(server, template) as late:
        on_time = await history(daily, [NOW + n * DAY for n in range(1, 500)])
        assert await history(late, [NOW + 499 * DAY]) == on_time
        assert ("expiry", -70) in [each[2:4] for each in on_time[0]]


async def history(url: str, runs: list[dt.datetime]) -> list[list[tuple[Any, ...]]]:
    """Book the same purchases, run the job at those instants, and return the books."""
    engine = create_engine(url, name="history", pool_size=5)
    await publish(engine, Programme.model_validate(ENDS | WAITS | ROLLING), valid_from=LONG_AGO)
    service = PointsService(engine, clock=lambda: NOW)
    bought = [
        purchase(f"R-{n}", f"{30 + 40 * (n % 5)}.00", f"c-{n % 3}", occurred_at=(NOW - n * 9 * DAY).isoformat())
        for n in range(12)
    ]
    await service.book([Request([*bought, refund("R-3", "20.00"), adjustment(-10, "c-0", key="a", allow_debt=True)])])
    for now in runs:
        await settled(engine, now)
    await the_books_are_right(engine)
    statements = (
        """SELECT customer_id, sequence, kind, points, available_after, pending_after, reference, occurred_at FROM entry
            ORDER BY customer_id, sequence""",
        "SELECT customer_id, sequence, remaining, expired FROM lot ORDER BY customer_id, sequence",
        "SELECT customer_id, tier, tier_since, tier_review_on, available, pending FROM account ORDER BY customer_id",
        'SELECT customer_id, "on", "left", reached, reason FROM tier_change ORDER BY customer_id, "on", reached',
    )
    found = [await rows(engine, each) for each in statements]
    await engine.dispose()
    return found


async def test_a_clock_that_jumps_back_books_nothing_twice(
    holds: Holds, book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await holds(ENDS | WAITS | ROLLING)
    await book(purchase(total="200.00"))
    instants = [NOW + n * DAY for n in (20, 10, 400, 60, 365, 401, 380)]
    for now in instants:
        await settle(now)
    assert await entries(engine) == [("award", 200), ("activation", 200), ("expiry", -200)]
    assert (await said(engine)).count("tier.changed") == 2
    await the_books_are_right(engine)


async def test_an_account_that_can_not_be_settled_does_not_stop_the_others(
    holds: Holds, book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await holds(ENDS)
    await many(book, 300)
    async with engine.begin() as connection:
        await fetch(connection, "UPDATE account SET sequence = 0 WHERE customer_id = 'c-7'")
    with pytest.raises(UndoneError, match="1 accounts can't be settled: c-7") as undone:
        await settle(NOW + 70 * DAY)
    assert undone.value.done == 299
    assert await rows(engine, DUE, NOW + 70 * DAY) == [(1,)]


async def test_an_account_that_is_locked_is_passed_by(
    holds: Holds, book: Book, settle: Settle, engine: AsyncEngine
) -> None:
    await holds(ENDS)
    await many(book, 3)
    async with engine.begin() as till:
        await fetch(till, "SELECT 1 FROM account WHERE customer_id = 'c-1' FOR UPDATE")
        assert await settle(NOW + 70 * DAY) == 2
    assert await settle(NOW + 70 * DAY) == 1


async def test_an_account_read_while_the_job_is_late_shows_what_is_right(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds(ENDS | WAITS)
    await book(purchase(), bought("2026-12-10T10:00:00Z", "R-2"), now=at("2026-12-10T12:00:00Z"))
    service = PointsService(engine, clock=lambda: at("2027-01-30T12:00:00Z"))
    view = await service.account("c-1")
    assert view is not None
    assert view["balance"] == {"available": 100, "pending": 0, "held": 0}
    assert view["expiring_next"] == {"points": 100, "on": dt.date(2027, 2, 10)}
    assert await rows(engine, "SELECT count(*) FROM entry WHERE kind <> 'award'") == [(0,)]


async def test_points_that_ended_with_inactivity_are_not_shown_while_the_job_is_late(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds(LAPSES)
    await book(purchase())
    late = NOW + 70 * DAY
    view = await PointsService(engine, clock=lambda: late).account("c-1")
    assert view is not None
    assert (view["balance"]["available"], view["expiring_next"]) == (0, None)
    async with engine.connect() as connection:
        programme = Programme.model_validate(LAPSES)
        assert await queries.lots(connection, "c-1", programme, now=late, limit=9) == []
        assert len(await queries.lots(connection, "c-1", programme, now=NOW, limit=9)) == 1


# Days


@pytest.mark.parametrize(
    ("earned_on", "ends_at"),
    [
        ("2026-08-25", "2026-10-25T23:00:00Z"),  # the day has 25 hours
        ("2026-01-29", "2026-03-29T22:00:00Z"),  # and this one 23
        ("2026-12-31", "2027-02-28T23:00:00Z"),
        ("2027-12-31", "2028-02-29T23:00:00Z"),
        ("2028-02-29", "2028-04-29T22:00:00Z"),
        ("2026-11-30", "2027-01-30T23:00:00Z"),
    ],
)
@pytest.mark.usefixtures("machine_zone")
async def test_rule_10_points_end_with_the_local_day(
    earned_on: str,
    ends_at: str,
    holds: Holds,
    book: Book,
    settle: Settle,
    engine: AsyncEngine,
) -> None:
    await holds(ENDS)
    await book(bought(f"{earned_on}T20:00:00Z"), now=at(f"{earned_on}T20:00:00Z"))
    await settle(at(ends_at) - dt.timedelta(seconds=1))
    assert await rows(engine, "SELECT available FROM account") == [(100,)]
    await settle(at(ends_at))
    assert await rows(engine, "SELECT available FROM account") == [(0,)]


async def test_a_process_on_a_machine_in_another_zone_keeps_the_days_of_the_shop(
    holds: Holds, book: Book, engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await holds(ENDS)
    await book(purchase(occurred_at="2026-01-29T10:00:00Z"), now=at("2026-01-29T10:00:00Z"))
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    assert command("jobs", "run", "expire", points_database_url=database_url).returncode == 0
    assert await rows(engine, "SELECT reference, occurred_at FROM entry WHERE kind = 'expiry'") == [
        ("2026-03-29", at("2026-03-29T22:00:00Z"))
    ]


# Housekeeping


async def keep_house(engine: AsyncEngine, now: dt.datetime) -> int:
    return await jobs.keep_house(PointsService(engine, clock=lambda: now), engine, quiet)


async def test_answers_are_let_go_after_90_days_but_never_those_that_moved_points(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await fetch(
            connection,
            """INSERT INTO stored_answer SELECT 'till', 'k' || n, '', 200, '', '', $1::timestamptz - n * interval '1 day',
                 n % 2 = 0 FROM generate_series(80, 99) AS n""",
            NOW,
        )
    assert await keep_house(engine, NOW) == 5
    assert await rows(engine, "SELECT count(*), count(*) FILTER (WHERE lasting) FROM stored_answer") == [(15, 10)]


async def test_a_purchase_that_nobody_claimed_in_time_stands_without_its_document(
    book: Book, engine: AsyncEngine
) -> None:
    await book(enrolment(), purchase(customer=None), bought("2026-12-20T10:00:00Z", "R-2", customer=None))
    late = NOW + 40 * DAY
    assert await keep_house(engine, late) == 1
    assert await keep_house(engine, late) == 0
    outcomes = await book(claim(), claim("R-2"), now=late)
    assert [each.code or each.status for each in outcomes] == ["claim-window-over", "booked"]
    assert (await book(claim()))[0].code == "claim-window-over"
    await the_books_are_right(engine)


async def test_dead_letters_settled_long_ago_are_let_go(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await fetch(
            connection,
            """INSERT INTO dead_letter (consumer, topic, code, error, status, settled_at, relayed_at, digest)
               SELECT 'points', 't', 'c', 'e', status, settled_at, relayed_at, status::bytea FROM (VALUES
                 ('open', NULL, $1::timestamptz), ('dropped', $1::timestamptz, $1::timestamptz),
                 ('replayed', $1::timestamptz, NULL)) AS v(status, settled_at, relayed_at)""",
            NOW - 100 * DAY,
        )
    assert await keep_house(engine, NOW) == 1
    assert await rows(engine, "SELECT status FROM dead_letter ORDER BY 1") == [("open",), ("replayed",)]


# The command


async def test_the_command_lists_jobs_and_runs_one_under_any_of_its_names(
    holds: Holds, book: Book, database_url: str
) -> None:
    await holds(ENDS)
    await book(purchase(occurred_at="2026-01-29T10:00:00Z"), now=at("2026-01-29T10:00:00Z"))
    settings = {"points_database_url": database_url}
    ran = [command("jobs", "run", name, **settings) for name in ("activate", "settle")]
    assert [each.stdout.split(" in ")[0] for each in ran] == ["settle: 1 done", "settle: 0 done"]
    listed = command("jobs", "list", "--json", **settings)
    assert '"job": "settle", "also": "activate, announce, expire, review-tiers, time-out"' in listed.stdout
    unknown = command("jobs", "run", "lunch", **settings)
    assert (unknown.returncode, unknown.stderr.startswith("there is no job 'lunch'")) == (1, True)
