"""Records that can never work: kept as they came, listed, shown, tried again, dropped; from inside and by command."""

import datetime as dt
import functools
import json
from typing import Any

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points import handlers
from services.points.ledger import Ledger
from shared.messaging import dead_letters
from shared.messaging.dead_letters import DeadLetter, Failed, NotOpenError
from shared.messaging.events import Verdict
from tests.processes import command
from tests.shared.messaging.conftest import NOW, Listener, listening, said


@pytest.fixture
async def hearing(engine: AsyncEngine, topic: str) -> Listener:
    return await listening(engine, topic)


def failed(value: bytes | None = b"{}", **more: Any) -> Failed:
    known: dict[str, Any] = {"consumer": "tests", "topic": "orders", "partition": 1, "offset": 7, "key": b"c-1"}
    return Failed(**(known | {"value": value, "code": "event-malformed", "error": "data.x: no"} | more))


async def kept(listener: Listener, *records: Failed) -> list[DeadLetter]:
    """Store records and return all that stand there then."""
    async with listener.engine.begin() as connection:
        await dead_letters.store(connection, records)
        return await dead_letters.letters(connection, status=None)


async def try_again(listener: Listener, number: int) -> Verdict:
    return await dead_letters.replay(listener.engine, listener.subscription, number, now=NOW)


async def replay_as_the_service_does(engine: AsyncEngine, number: int) -> Verdict:
    clock = functools.partial(dt.datetime.now, dt.UTC)
    return await dead_letters.replay(engine, handlers.subscription(Ledger(), clock=clock), number, now=clock())


async def test_a_record_is_kept_to_the_last_byte(hearing: Listener) -> None:
    headers = [("ce_id", b"w1"), ("raw", b"\xff\x00"), ("nul", b"a\x00b"), ("none", None), ("n\x00ame", b"")]
    record = failed(b"\x00\xff\xfe", key=b"k\x00\xff", headers=headers, error="a NUL \x00 and half a pair \ud800")
    (letter,) = await kept(hearing, record)
    assert (letter.value, letter.key) == (b"\x00\xff\xfe", b"k\x00\xff")
    assert letter.headers == [*headers[:4], ("n\ufffdame", b"")]
    assert letter.error == "a NUL \ufffd and half a pair ?"
    assert (letter.partition, letter.offset, letter.status) == (1, 7, "open")


async def test_the_same_record_is_kept_once_and_another_at_its_place_beside_it(hearing: Listener) -> None:
    await kept(hearing, failed(), failed())
    assert len(await kept(hearing, failed(error="another reason"))) == 1
    assert len(await kept(hearing, failed(b"[]"))) == 2
    without_place = failed(partition=None, offset=None)
    await kept(hearing, without_place)
    assert len(await kept(hearing, without_place)) == 3


async def test_a_list_is_read_on_from_the_last_number(hearing: Listener) -> None:
    letters = await kept(hearing, *(failed(offset=number) for number in range(5)))
    numbers = [letter.id for letter in letters]
    async with hearing.engine.connect() as connection:
        first = await dead_letters.letters(connection, limit=2)
        rest = await dead_letters.letters(connection, after=first[-1].id, limit=10)
        none = await dead_letters.letters(connection, topic="another")
    assert [letter.id for letter in [*first, *rest]] == numbers
    assert none == []


async def test_a_replay_books_and_settles_in_one(hearing: Listener) -> None:
    (letter,) = await kept(hearing, failed(said("w1")))
    assert (await try_again(hearing, letter.id)).status == "accepted"
    assert await hearing.heard() == ["w1"]
    assert await hearing.rows("SELECT status FROM dead_letter") == [("replayed",)]


async def test_a_replay_of_what_was_booked_meanwhile_is_a_repeat(hearing: Listener) -> None:
    await hearing.change("INSERT INTO heard (id, text) VALUES ('w1', 'by another way')")
    (letter,) = await kept(hearing, failed(said("w1")))
    assert (await try_again(hearing, letter.id)).status == "duplicate"
    assert await hearing.rows("SELECT status FROM dead_letter") == [("replayed",)]


async def test_what_is_refused_again_stays_open_with_the_new_reason(hearing: Listener) -> None:
    (letter,) = await kept(hearing, failed(said("w1", refuse=True)))
    assert (await try_again(hearing, letter.id)).status == "rejected"
    found = await hearing.rows("SELECT status, code, error, settled_at FROM dead_letter")
    assert found == [("open", "word-refused", "as it asked", None)]


async def test_what_is_settled_is_not_tried_or_dropped_again(hearing: Listener) -> None:
    first, second = await kept(hearing, failed(said("w1")), failed(said("w2"), offset=8))
    await try_again(hearing, first.id)
    async with hearing.engine.begin() as connection:
        await dead_letters.drop(connection, second.id)
    for number in (first.id, second.id, 999):
        with pytest.raises(NotOpenError):
            await try_again(hearing, number)
        async with hearing.engine.begin() as connection:
            with pytest.raises(NotOpenError):
                await dead_letters.drop(connection, number)
    assert await hearing.heard() == ["w1"]


# By command


def purchase(**more: Any) -> bytes:
    data = {"shop_id": "s", "invoice_number": "R-1", "customer_id": "c-1", "currency": "EUR", "total": "10.00"}
    event = {"specversion": "1.0", "id": "e-1", "source": "/s", "type": "loyalty.purchase.completed.v1"}
    return orjson.dumps(event | {"data": data | more})


@pytest.mark.slow
async def test_the_commands_list_show_replay_and_drop(hearing: Listener, database_url: str) -> None:
    good, bad, odd = await kept(
        hearing, failed(purchase()), failed(purchase(total="x"), offset=8), failed(b"\x00\xff", key=None, offset=9)
    )

    def run(*arguments: object) -> tuple[int, str, str]:
        ended = command("dead-letters", *map(str, arguments), points_database_url=database_url)
        return ended.returncode, ended.stdout, ended.stderr

    code, shown, _ = run("list", "--json")
    assert code == 0
    assert [each["id"] for each in json.loads(shown)] == [good.id, bad.id, odd.id]
    code, shown, _ = run("show", odd.id)
    assert (code, "key: (none)" in shown, shown.splitlines()[-1]) == (0, True, "\x00\\xff")
    assert run("replay", good.id) == (0, f"dead letter {good.id}: accepted\n", "")
    assert await hearing.rows("SELECT points FROM purchase") == [(10,)]
    code, _, said_why = run("replay", bad.id)
    assert (code, said_why.startswith("refused again: event-malformed: data.total: ")) == (1, True)
    assert run("drop", bad.id) == (0, f"dead letter {bad.id}: dropped\n", "")
    assert run("drop", good.id) == (1, "", f"dead letter {good.id} is not open\n")
    code, shown, _ = run("list")
    assert (code, str(odd.id) in shown, "event-malformed" in shown) == (0, True, True)
    assert await hearing.rows("SELECT status FROM dead_letter ORDER BY id") == [("replayed",), ("dropped",), ("open",)]


@pytest.mark.slow
async def test_the_command_lists_refunds_that_wait(hearing: Listener, database_url: str) -> None:
    refund = {"shop_id": "s", "invoice_number": "R-9", "refund_id": "G-1", "currency": "EUR", "amount": "3.00"}
    event = {"specversion": "1.0", "id": "e-2", "source": "/s", "type": "loyalty.purchase.refunded.v1", "data": refund}
    (letter,) = await kept(hearing, failed(orjson.dumps(event)))
    assert (await replay_as_the_service_does(hearing.engine, letter.id)).status == "waiting"
    shown = command("refunds", "waiting", "--json", points_database_url=database_url)
    assert (shown.returncode, shown.stderr) == (0, "")
    (waiting,) = json.loads(shown.stdout)
    assert (waiting["invoice_number"], waiting["refund_id"], waiting["amount"]) == ("R-9", "G-1", "3.0000")
