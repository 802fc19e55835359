"""Rule 24 on the real books: who may not refer whom, who is looked at first, and that nobody's contact data is kept."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import (
    ClaimCode,
    Command,
    HearCard,
    HearCustomer,
    HearMerge,
    RejectClaim,
    Request,
    RetireCode,
)
from services.referrals.handlers import subscription
from services.referrals.lifecycle import Lifecycle
from shared.database import transact
from shared.messaging.decoding import decode
from shared.messaging.events import Received, Verdict
from shared.requests import Origin
from tests.referrals.asking import days, rewards, rows, states
from tests.referrals.asking import events as told_events
from tests.referrals.conftest import CODE, CONTACTS, NOW, Book, claim, code, publish, purchase

OTHER = "4T3H-B7KM"


def customer(name: str, *, card: str | None = None, **contact: str) -> HearCustomer:
    return HearCustomer(name, CONTACTS.hashed(**contact), card, None, NOW - days(1), Origin("/crm", name, NOW))


def asks(friend: str = "ben", spelled: str = CODE, *, card: str | None = None, **contact: str) -> ClaimCode:
    return claim(friend, spelled, name="asked", card_number=card, contact=CONTACTS.hashed(**contact))


def others(count: int, **contact: str) -> list[Command]:
    return [claim(f"friend-{number}", contact=CONTACTS.hashed(**contact)) for number in range(count)]


CASES: dict[str, tuple[Sequence[Command], ClaimCode, str]] = {
    "nobody's code": ((), asks(spelled="2222-2222"), "code-unknown"),
    "a code that was retired": ([RetireCode(CODE, "posted everywhere")], asks(), "code-retired"),
    "their own code": ((), asks("anna"), "own-code"),
    "their own code under a name they had before": ([HearMerge("anna-2", "anna")], asks("anna-2"), "own-code"),
    "the code of whom they went on as": ([HearMerge("ben", "anna")], asks(), "own-code"),
    "the same address": ([customer("anna", email="anna@example.org")], asks(email="anna@example.org"), "same-email"),
    "an address in capitals": (
        [customer("anna", email="anna@example.org")],
        asks(email=" ANNA@Example.ORG "),
        "same-email",
    ),
    "dots and a tag where the provider ignores them": (
        [customer("anna", email="anna.b@gmail.com")],
        asks(email="a.n.n.a.b+shop@googlemail.com"),
        "same-email",
    ),
    "a tag where the provider ignores it": (
        [customer("anna", email="anna@outlook.com")],
        asks(email="anna+2@outlook.com"),
        "same-email",
    ),
    "dots where they matter": ([customer("anna", email="a.b@example.org")], asks(email="ab@example.org"), "claimed"),
    "an address that was heard before": (
        [customer("anna", email="anna@example.org"), customer("ben", email="ANNA@example.org")],
        asks(),
        "same-email",
    ),
    "the same number written otherwise": (
        [customer("anna", phone="0171 1234567")],
        asks(phone="+49 (171) 123-4567"),
        "same-phone",
    ),
    "another number": ([customer("anna", phone="0171 1234567")], asks(phone="0171 1234568"), "claimed"),
    "the referrer's card at the till": ([customer("anna", card="SHOP-1")], asks(card="SHOP-1"), "same-card"),
    "the card of an account that was opened": ([HearCard("SHOP-1", "anna")], asks(card="SHOP-1"), "same-card"),
    "the card of a name they had before": (
        [HearCard("SHOP-1", "anna-2"), HearMerge("anna-2", "anna")],
        asks(card="SHOP-1"),
        "same-card",
    ),
    "a card of their own": ([HearCard("SHOP-1", "anna"), HearCard("SHOP-2", "ben")], asks(card="SHOP-2"), "claimed"),
    "a second referral": ([claim("ben", OTHER)], asks(), "referred-already"),
    "a second referral under a name they had before": (
        [claim("ben-2", OTHER), HearMerge("ben-2", "ben")],
        asks(),
        "referred-already",
    ),
    "a second one after the first was rejected": (
        [claim("ben", OTHER), RejectClaim(f"ben claims {OTHER}", "staff", "made up")],
        asks(),
        "claimed",
    ),
    "who had bought before": ([purchase(at=-3)], asks(), "bought-before"),
    "who had bought with a card before it was known": (
        [purchase(customer=None, card_number="SHOP-3", at=-3), HearCard("SHOP-3", "ben")],
        asks(),
        "bought-before",
    ),
    "who had bought under a name they had before": (
        [purchase(customer="ben-2", at=-3), HearMerge("ben-2", "ben")],
        asks(),
        "bought-before",
    ),
    "who bought since": ([purchase(at=-1)], asks(), "qualified"),
    "a circle of two": ([code("ben", "BENS-CODE"), claim("anna", "BENS-CODE")], asks(), "circle"),
    "a circle of three": (
        [code("ben", "BENS-CODE"), claim("carl", "BENS-CODE"), claim("anna", OTHER)],
        asks(),
        "circle",
    ),
    "a circle of three of whom one was merged": (
        [code("ben", "BENS-CODE"), claim("carl-2", "BENS-CODE"), HearMerge("carl-2", "carl"), claim("anna", OTHER)],
        asks(),
        "circle",
    ),
    "the third from one address": (others(2, address="1 High Street"), asks(address="1 High Street"), "claimed"),
    "the fourth from one address": (
        others(3, address="1 High Street"),
        asks(address="1 High Street"),
        "many-from-address",
    ),
    "from another address": (others(3, address="1 High Street"), asks(address="2 High Street"), "claimed"),
    "the fifth in a day": (others(4), asks(), "claimed"),
    "the sixth in a day": (others(5), asks(), "velocity"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("is_one_batch", [False, True], ids=["heard one by one", "heard at once"])
async def test_a_claim_is_judged_by_all_that_is_known(
    book: Book, engine: AsyncEngine, case: str, *, is_one_batch: bool
) -> None:
    before, asked, expected = CASES[case]
    await publish(engine, claims_per_referrer_and_day=5, claims_per_address=3)
    await book(code(), code("carl", OTHER))
    if is_one_batch:
        await book(*before, asked)
    else:
        for each in (*before, asked):
            await book(each)
    (found,) = await rows(engine, "SELECT status, reason FROM referral WHERE referral_id = 'asked'")
    assert (found["reason"] or found["status"]) == expected
    said = await rows(engine, "SELECT reason FROM referral WHERE status IN ('rejected', 'review') AND reason IS NULL")
    assert said == []


LATER: dict[str, tuple[Sequence[Command], str]] = {
    "an import of old purchases": ([purchase("R-0", "5.00", at=-400)], "bought-before"),
    "an import of purchases of a name they had before": (
        [HearMerge("ben-2", "ben"), purchase("R-0", "5.00", "ben-2", at=-400)],
        "bought-before",
    ),
    "a name they had before that had bought": (
        [purchase("R-0", "5.00", "ben-2", at=-400), HearMerge("ben-2", "ben")],
        "bought-before",
    ),
    "a card that turns out to be theirs": (
        [purchase("R-0", "5.00", None, card_number="SHOP-3", at=-400), HearCard("SHOP-3", "ben")],
        "bought-before",
    ),
    "that they are the referrer": ([HearMerge("ben", "anna")], "own-code"),
    "that they referred the referrer": (
        [code("ben-2", "BENS-CODE"), claim("anna", "BENS-CODE"), HearMerge("ben-2", "ben")],
        "circle",
    ),
}


@pytest.mark.parametrize("case", LATER)
async def test_what_comes_to_be_known_later_takes_back_what_was_given(
    book: Book, engine: AsyncEngine, case: str
) -> None:
    heard, reason = LATER[case]
    await publish(engine, hold_days=0)
    await book(code(), claim(name="asked"), purchase())
    assert await rewards(engine) == {"ben": 200, "anna": 500}
    for each in heard:
        await book(each)
    (found,) = await rows(engine, "SELECT status, reason FROM referral WHERE referral_id = 'asked'")
    assert found == {"status": "rejected", "reason": reason}
    assert sum((await rewards(engine)).values()) == 0


# Contact data

SECRETS = ("anna.secret", "0171", "1711234567", "Geheim", "secret@")

TABLES = """
SELECT table_name AS name FROM information_schema.tables
 WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"""


def registration(name: str, **more: Any) -> dict[str, Any]:
    data = {"customer_id": name, "email": "anna.secret@example.org", "phone": "0171 1234567", "family_name": "Geheim"}
    return {
        "specversion": "1.0",
        "id": f"registered {name}",
        "source": "/crm",
        "type": "loyalty.customer.registered.v1",
        "subject": name,
        "time": NOW.isoformat(),
        "data": data | more,
    }


async def test_of_contact_data_only_hashes_are_kept(engine: AsyncEngine, capfd: pytest.CaptureFixture[str]) -> None:
    heard = subscription(Lifecycle(), contacts=CONTACTS, clock=lambda: NOW)
    said = [
        registration("anna"),
        registration("ben", referral_code=CODE),
        registration("cleo", referral_code="nothing"),
    ]
    events = [decode(heard.events, orjson.dumps(each), now=NOW) for each in said]
    received = [each for each in events if isinstance(each, Received)]
    await transact(engine, lambda connection: Lifecycle().book(connection, [Request([code()])], now=NOW))
    verdicts = await transact(engine, lambda connection: heard.handle(connection, received))
    # none of them is a dead letter, which keeps the record as it came
    assert [each.status for each in verdicts] == ["accepted"] * 3
    assert await states(engine) == {"ben": "same-email", "cleo": "code-unknown"}
    names = [row["name"] for row in await rows(engine, TABLES)]
    kept = {name: str(await rows(engine, f"SELECT * FROM {name}")) for name in names}
    assert "ben" in kept["referral"]
    kept |= {"events": str(await told_events(engine)), "log": "".join(capfd.readouterr())}
    assert "same-email" in kept["events"]
    assert {name for name, content in kept.items() for each in SECRETS if each in content} == set()


async def test_a_record_that_is_no_event_is_refused_without_repeating_what_it_says() -> None:
    heard = subscription(Lifecycle(), contacts=CONTACTS, clock=lambda: NOW)
    wrong = registration("anna.secret@example.org", birthday="Geheim")
    verdict = decode(heard.events, orjson.dumps(wrong), now=NOW)
    assert isinstance(verdict, Verdict)
    assert verdict.status == "rejected"
    assert not any(each in str(verdict) for each in SECRETS)
