"""`loyalty verify` finds every kind of damage, and names it and the rows."""

import datetime as dt
import json
import subprocess

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.catalogue import Reward
from services.points.commands import (
    AdjustBalance,
    ApproveAdjustment,
    CancelClaim,
    ClaimReward,
    EraseCustomer,
    GiveAction,
    GivePoints,
    GrantPoints,
    KeepReward,
    MergeAccounts,
    Redeem,
    ReverseRedemption,
    RevokeGrant,
    SettleAccount,
)
from services.points.memory import MEMORY
from services.points.programme import Programme
from services.points.verification import INVARIANTS, verify
from shared import erasures
from shared.database import fetch
from shared.requests import Origin
from shared.verification import Finding
from tests.points.conftest import NOW, Book, adjustment, enrolment, publish, purchase, refund
from tests.processes import COMMAND, environment

DAMAGE = {
    "balance-is-sum-of-entries": ("UPDATE account SET available = available + 1 WHERE customer_id = 'c-1'", "c-1"),
    "entries-run": ("UPDATE entry SET available_after = 7 WHERE customer_id = 'c-1' AND sequence = 2", "c-1"),
    "lots-are-the-balance": ("UPDATE lot SET remaining = 0 WHERE customer_id = 'c-2'", "c-2"),
    "every-credit-has-its-lot": ("DELETE FROM lot WHERE customer_id = 'c-2'", "c-2"),
    "lots-give-what-is-allocated": ("UPDATE allocation SET points = points + 1 WHERE customer_id = 'c-1'", "c-1"),
    "debits-are-allocated-or-owed": ("DELETE FROM allocation WHERE customer_id = 'c-1'", "c-1"),
    "only-debits-are-allocated": (
        "UPDATE allocation SET debit_sequence = debit_sequence + 90 WHERE customer_id = 'c-1'",
        "c-1",
    ),
    "purchases-are-awarded-once": ("UPDATE purchase SET entry_sequence = 1 WHERE invoice_number = 'R-2'", "R-2"),
    "purchases-have-their-customer": ("UPDATE purchase SET customer_id = 'nobody' WHERE invoice_number = 'R-2'", "R-2"),
    "awards-follow-their-rules": (
        """UPDATE purchase SET award = award || '{"rate": "2"}' WHERE invoice_number = 'R-2'""",
        "R-2",
    ),
    "refunds-add-up": ("UPDATE purchase SET refunded = refunded + 1 WHERE invoice_number = 'R-1'", "R-1"),
    "clawbacks-follow-their-rule": (
        "UPDATE purchase SET refunded_eligible = refunded_eligible + 1 WHERE invoice_number = 'R-1'",
        "R-1",
    ),
    "clawbacks-have-their-entries": (
        "UPDATE refund SET points = points + 1 WHERE invoice_number = 'R-1'",
        "shop/R-1/1",
    ),
    "the-last-entry-has-the-balance": (
        "UPDATE account SET available = available - 1, pending = pending + 1 WHERE customer_id = 'c-1'",
        "c-1",
    ),
    "expired-points-are-allocated": ("UPDATE lot SET expired = expired - 1 WHERE expired > 0", "c-4"),
    "journal-balances": ("UPDATE lot SET remaining = remaining - 1 WHERE customer_id = 'c-2'", "outstanding"),
    "what-is-due-is-watched": ("UPDATE account SET due_at = NULL WHERE customer_id = 'c-5'", "c-5"),
    "accounts-were-settled-under-a-programme": (
        "UPDATE account SET settled_under = 9 WHERE customer_id = 'c-5'",
        "c-5",
    ),
    "progress-follows-purchases": ("UPDATE progress SET points = points + 1 WHERE customer_id = 'c-1'", "c-1"),
    "spend-follows-purchases": ("UPDATE progress SET spend = spend + 1 WHERE customer_id = 'c-1'", "c-1"),
    "tiers-are-what-they-changed-to": ("UPDATE tier_change SET reached = 'Basic' WHERE customer_id = 'c-4'", "c-4"),
    "uses-follow-awards": ("UPDATE campaign_use SET awards = awards + 1 WHERE customer_id = 'c-5'", "c-5"),
    "transfers-are-pairs": ("UPDATE entry SET points = points + 1 WHERE kind = 'transfer_in'", "c-6"),
    "gifts-are-pairs": ("UPDATE gift SET points = points + 1", "gift g-1"),
    "lots-know-where-they-came-from": ("UPDATE lot SET origin_sequence = 9 WHERE origin_sequence = 1", "c-6"),
    "campaigns-keep-to-their-budgets": ("UPDATE campaign_budget SET points = points - 1", "welcome"),
    "merged-accounts-are-empty": ("UPDATE account SET pending = 1 WHERE status = 'merged'", "c-6"),
    "no-refund-waits-for-a-purchase-that-came": (
        "UPDATE refund SET status = 'waiting' WHERE invoice_number = 'R-1'",
        "R-1",
    ),
    "no-purchase-waits-for-a-card-that-is-known": (
        "UPDATE card SET customer_id = 'c-1' WHERE card_number = 'SHOP-9'",
        "R-4",
    ),
    "lifetime-is-awards-less-clawbacks": ("UPDATE account SET lifetime_points = 0 WHERE customer_id = 'c-1'", "c-1"),
    "accounts-have-their-card": ("UPDATE card SET customer_id = 'c-1' WHERE customer_id = 'c-2'", "c-2"),
    "erased-accounts-are-over": ("DELETE FROM erasure", "c-9"),
    "the-erased-are-forgotten": ("UPDATE adjustment SET note = 'still known' WHERE customer_id = 'c-9'", "c-9"),
    "adjustments-have-their-entries": ("DELETE FROM adjustment WHERE points = 10", "c-1"),
    "redemptions-are-their-lots": ("UPDATE redemption_lot SET captured = captured + 1 WHERE held = 0", "spent"),
    "redemptions-have-their-entries": (
        "UPDATE redemption SET captured = captured - 1, points = points WHERE captured = 5",
        "c-7",
    ),
    "holds-are-the-held-side": ("UPDATE account SET due_at = NULL WHERE customer_id = 'c-7'", "c-7"),
    "purchases-are-paid-by-redemptions": ("UPDATE purchase SET redeemed = redeemed + 1 WHERE redeemed > 0", "P-1"),
    "rewards-count-their-claims": ("UPDATE reward SET claimed = claimed + 1", "mug"),
    "claims-are-paid-by-redemptions": ("UPDATE reward_claim SET points = points + 1 WHERE status = 'claimed'", "live"),
    "claims-are-of-their-reward": ("UPDATE reward_claim SET kind = 'donation' WHERE kind = 'experience'", "live"),
    "grants-have-their-entries": (
        "UPDATE points_grant SET entry_sequence = 90 WHERE reward_id = 'kept'",
        "referrals/kept",
    ),
    "revocations-have-their-entries": (
        "UPDATE points_grant SET revocation_sequence = NULL WHERE reward_id = 'back'",
        "referrals/back",
    ),
    "grants-are-nothing-once-revoked": (
        "UPDATE points_grant SET status = 'granted', revoked_at = NULL WHERE reward_id = 'back'",
        "referrals",
    ),
    "proposals-are-decided-by-another": (
        "UPDATE adjustment SET decided_by = actor WHERE adjustment_id = 'proposed'",
        "proposed",
    ),
    "keys-know-what-they-gave": ("UPDATE credit_day SET points = points - 1 WHERE actor = 'tester'", "tester"),
    "actions-are-of-their-programme": ("UPDATE action_given SET points = points + 1", "review"),
    "surprises-were-drawn": ("DELETE FROM draw_secret", "N-4"),
    "events-are-numbered": (
        "DELETE FROM outbox WHERE id = (SELECT min(id) + 1 FROM outbox WHERE topic = 'loyalty.points' AND key = 'c-1')",
        "c-1",
    ),
}
"""For each invariant, what breaks it and which rows it is then found in."""

DAY = dt.timedelta(days=1)

PROGRAMME = Programme.model_validate(
    {
        "expiry": {"model": "after_earning", "months": 1},
        "tiers": {"levels": [{"name": "Basic", "threshold": 0}, {"name": "Silver", "threshold": 50}]},
        "campaigns": [
            {"name": "welcome", "points": 10, "budget": {"points": 100}},
            {"name": "lucky", "points": 1, "share": "0.9999"},
        ],
        "actions": [{"name": "review", "points": 5}],
        "credit_limit_per_day": 100,
    }
)

MUG = Reward.model_validate(
    {
        "texts": {"en": {"title": "Tea"}},
        "default_language": "en",
        "value": {"kind": "experience"},
        "points": 1,
        "stock": 9,
    }
)


@pytest.fixture
async def history(book: Book, engine: AsyncEngine) -> None:
    """Books in which something of every kind stands."""
    await book(purchase("R-1"), purchase("R-2", "50.00"), purchase("R-3", "9.00", customer="c-2"))
    await book(refund("R-1", "33.33"), adjustment(-20), adjustment(10))
    await book(purchase("R-4", customer=None, card_number="SHOP-9"), purchase("R-5", customer=None))
    await book(refund("R-6", "5.00"), enrolment("c-3", "SHOP-3"), purchase("R-7", "0", customer="c-3"))
    await book(purchase("R-8", customer="c-7"), Redeem("spent", "c-7", 5, NOW), Redeem("hold", "c-7", 20, NOW, 90_000))
    await book(Redeem("paid", "c-7", 10, NOW), purchase("P-1", "9.00", customer="c-7", redemption_ids=["paid"]))
    await book(ReverseRedemption("spent", 2, "returned"))
    await book(GivePoints("g-1", "c-7", "c-1", 3, NOW))
    await book(
        KeepReward("mug", MUG, is_new=True),
        *(ClaimReward(name, f"for-{name}", "c-7", "mug", "", NOW) for name in ("live", "gone")),
    )
    await book(CancelClaim("gone", "by mistake"))
    await book(GrantPoints("referrals", "kept", "c-8", 40, "referral", NOW, Origin("/test", "kept", NOW)))
    await book(GrantPoints("referrals", "back", "c-8", 30, "pair", NOW, Origin("/test", "back", NOW)))
    for name in ("back", "never"):
        await book(RevokeGrant("referrals", name, "c-8", "refunded", NOW, Origin("/test", f"no {name}", NOW)))
    await publish(engine, PROGRAMME, valid_from=NOW)
    await book(AdjustBalance("proposed", "c-3", 500, "gift", "desk", NOW), ApproveAdjustment("proposed", "lead"))
    await book(AdjustBalance("above", "c-3", 500, "gift", "desk", NOW), GiveAction("c-3", "review", NOW))
    then, day = NOW + 2 * DAY, {"occurred_at": "2026-11-23T15:00:00Z"}
    await book(*(purchase(f"N-{n}", customer=f"c-{n}", **day) for n in (4, 5, 6)), now=then)
    await book(MergeAccounts("c-6", "c-5", "enrolled twice"), now=then)
    await book(SettleAccount("c-4"), now=then + 40 * DAY)
    await book(enrolment("c-9"), AdjustBalance("last", "c-9", 5, "gift", "tester", NOW, note="for Kim"))
    await book(EraseCustomer("c-9", Origin("/test", "erased", NOW)))
    await erasures.forget(engine, MEMORY, lambda _done, _of: None)


async def damage(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        # whoever can do this can do anything; the triggers stand against everyone else
        await fetch(connection, "SET LOCAL session_replication_role = replica")
        assert (await fetch(connection, f"WITH hit AS ({statement} RETURNING 1) SELECT count(*) AS n FROM hit"))[0]["n"]


async def findings(engine: AsyncEngine) -> dict[str, Finding]:
    async with engine.connect() as connection:
        return {finding.name: finding for finding in await verify(connection)}


@pytest.mark.usefixtures("history")
async def test_books_that_are_right_have_no_findings(engine: AsyncEngine) -> None:
    assert await findings(engine) == {}


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_is_found_and_named(engine: AsyncEngine, name: str) -> None:
    statement, row = DAMAGE[name]
    await damage(engine, statement)
    found = await findings(engine)
    assert name in found
    assert any(row in map(str, each.values()) for each in found[name].rows), found[name].rows
    assert found[name].count == len(found[name].rows)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("UPDATE entry SET points = points + 1 WHERE kind = 'award' AND customer_id = 'c-2'", "2026-11-23"),
        ("UPDATE redemption_lot SET held = held + 1 WHERE held > 0", "held"),
        ("UPDATE entry SET points = points + 1 WHERE kind = 'transfer_in'", "transfers"),
    ],
)
async def test_a_journal_that_does_not_balance_names_the_day_or_the_account(
    engine: AsyncEngine, statement: str, line: str
) -> None:
    await damage(engine, statement)
    assert line in {row["line"] for row in (await findings(engine))["journal-balances"].rows}


def test_every_invariant_is_tried() -> None:
    assert DAMAGE.keys() == {invariant.name for invariant in INVARIANTS}
    assert len(INVARIANTS) == len(DAMAGE)


@pytest.mark.usefixtures("history")
async def test_of_many_rows_the_first_are_shown_and_all_are_counted(book: Book, engine: AsyncEngine) -> None:
    await book(*(purchase(f"M-{number}", customer=f"m-{number}") for number in range(30)))
    await damage(engine, "UPDATE account SET lifetime_points = 0 WHERE customer_id LIKE 'm-%'")
    finding = (await findings(engine))["lifetime-is-awards-less-clawbacks"]
    assert (finding.count, len(finding.rows)) == (30, 20)


def loyalty_verify(url: str, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [COMMAND, "verify", *options],
        env=environment(points_database_url=url, log_level="error"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.usefixtures("history")
async def test_the_command_ends_with_1_where_the_books_are_wrong(engine: AsyncEngine, database_url: str) -> None:
    assert loyalty_verify(database_url, "--json") == (0, '{"findings": []}\n')
    assert loyalty_verify(database_url)[0] == 0
    await damage(engine, DAMAGE["lifetime-is-awards-less-clawbacks"][0])
    code, said = loyalty_verify(database_url, "--json")
    (finding,) = json.loads(said)["findings"]
    assert (code, finding["name"], finding["count"]) == (1, "lifetime-is-awards-less-clawbacks", 1)
    assert finding["rows"][0]["customer_id"] == "c-1"
    code, said = loyalty_verify(database_url)
    assert code == 1
    assert "lifetime-is-awards-less-clawbacks" in said
