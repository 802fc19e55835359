"""What a batch has decided, written with a handful of set-based statements."""

import datetime as dt
from collections.abc import Mapping
from operator import attrgetter

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.books import Changes
from services.points.commands import SOURCE, Refund
from services.points.decisions.events import PURCHASES_TOPIC, event_name
from services.points.rules.earning import UNUSED, Use
from services.points.rules.lots import Lot
from shared.columns import joined, numbered, rows_of
from shared.database import fetch
from shared.messaging import dead_letters

CONSUMER = "points"

ACCOUNT = ("text", "bigint", "bigint", "bigint", "bigint", "bigint", "bigint", "timestamptz")
NEW_ACCOUNT = (*ACCOUNT, "text", "timestamptz", "int")
PURCHASE = (
    "text", "text", "text", "text", "text", "text", "numeric", "numeric", "numeric", "numeric", "boolean",
    "timestamptz", "timestamptz", "bigint", "bigint", "jsonb", "numeric", "numeric", "numeric", "bigint", "bigint", "jsonb",
    "text", "jsonb",
)  # fmt: skip
ENTRY = ("text", "bigint", "text", "bigint", "bigint", "bigint", "text", "timestamptz")
LOT = (
    "text", "bigint", "bigint", "bigint", "boolean", "timestamptz", "date", "timestamptz", "boolean", "bigint", "boolean",
    "text", "bigint",
)  # fmt: skip
PROGRESS = ("text", "date", "bigint", "numeric")

PURCHASE_COLUMNS = """shop_id, invoice_number, status, customer_id, card_number, currency, total, shipping, gift_cards,
  points_paid, promoted, occurred_at, received_at, points, entry_sequence, award, refunded, refunded_eligible,
  refunded_points_paid, clawed_back, clawed_back_expired, document, recorded_by, sample"""
ACCOUNT_COLUMNS = "customer_id, sequence, event_sequence, available, pending, lifetime_points, purchases, due_at"
LOT_COLUMNS = """customer_id, sequence, points, remaining, pending, available_at, expires_on, expires_at, lapses, expired,
  announced, origin_customer_id, origin_sequence"""

ROWS = numbered(
    2,
    changed=ACCOUNT,
    purchases=PURCHASE,
    entries=ENTRY,
    lots=LOT,
    events=("text", "text"),
    outbox=("text", "text", "text"),
    accounts=NEW_ACCOUNT,
    cards=("text", "text", "timestamptz"),
    progress=PROGRESS,
)

# One statement for what every award writes. Without a join between its parts: such a join would be planned as a nested
# loop over the whole batch.
SAVE = f"""
WITH changed AS (UPDATE account SET sequence = k.sequence, event_sequence = k.event_sequence, available = k.available,
      pending = k.pending, lifetime_points = k.lifetime_points, purchases = k.purchases, due_at = k.due_at
    FROM {ROWS["changed"]} AS k({ACCOUNT_COLUMNS}) WHERE account.customer_id = k.customer_id),
  purchases AS (INSERT INTO purchase ({PURCHASE_COLUMNS}) SELECT * FROM {ROWS["purchases"]}),
  entries AS (INSERT INTO entry (customer_id, sequence, kind, points, available_after, pending_after, reference,
      occurred_at, recorded_at)
    SELECT *, $1::timestamptz FROM {ROWS["entries"]}),
  lots AS (INSERT INTO lot ({LOT_COLUMNS}) SELECT * FROM {ROWS["lots"]}),
  events AS (INSERT INTO event (source, id) SELECT * FROM {ROWS["events"]}),
  accounts AS (INSERT INTO account ({ACCOUNT_COLUMNS}, card_number, enrolled_at, settled_under)
    SELECT * FROM {ROWS["accounts"]}),
  cards AS (INSERT INTO card (card_number, customer_id, issued_at) SELECT * FROM {ROWS["cards"]}),
  progress AS (INSERT INTO progress (customer_id, "on", points, spend) SELECT * FROM {ROWS["progress"]}
    ON CONFLICT (customer_id, "on") DO UPDATE SET points = progress.points + excluded.points,
      spend = progress.spend + excluded.spend)
INSERT INTO outbox (topic, key, payload)
SELECT topic, key, convert_to(payload, 'UTF8') FROM {ROWS["outbox"]} AS k(topic, key, payload)"""

# a card that purchases wait for stands there already, without an owner
OWN_CARDS = f"""
UPDATE card SET customer_id = k.customer_id, issued_at = k.issued_at
  FROM {rows_of("text", "text", "timestamptz")} AS k(card_number, customer_id, issued_at)
 WHERE card.card_number = k.card_number AND card.customer_id IS NULL"""

UPDATE_PURCHASES = f"""
UPDATE purchase SET status = k.status, customer_id = k.customer_id, card_number = k.card_number, currency = k.currency,
  total = k.total, shipping = k.shipping, gift_cards = k.gift_cards, points_paid = k.points_paid,
  promoted = k.promoted, occurred_at = k.occurred_at, received_at = k.received_at, points = k.points,
  entry_sequence = k.entry_sequence, award = k.award, refunded = k.refunded, refunded_eligible = k.refunded_eligible,
  refunded_points_paid = k.refunded_points_paid, clawed_back = k.clawed_back,
  clawed_back_expired = k.clawed_back_expired, document = k.document, recorded_by = k.recorded_by,
  sample = coalesce(k.sample, purchase.sample)
  FROM {rows_of(*PURCHASE)} AS k({PURCHASE_COLUMNS})
 WHERE purchase.shop_id = k.shop_id AND purchase.invoice_number = k.invoice_number"""

STANDING = (
    "text", "text", "text", "int", "date", "boolean", "text", "date", "date", "boolean", "text", "date", "text",
)  # fmt: skip
UPDATE_STANDINGS = f"""
UPDATE account SET card_number = k.card_number, status = k.status, settled_under = k.settled_under,
  inactive_on = k.inactive_on, inactivity_announced = k.inactivity_announced, tier = k.tier, tier_since = k.tier_since,
  tier_review_on = k.tier_review_on, tier_announced = k.tier_announced, tier_floor = k.tier_floor,
  tier_floor_until = k.tier_floor_until, merged_into = k.merged_into
  FROM {rows_of(*STANDING)} AS k(customer_id, card_number, status, settled_under, inactive_on, inactivity_announced, tier,
    tier_since, tier_review_on, tier_announced, tier_floor, tier_floor_until, merged_into)
 WHERE account.customer_id = k.customer_id"""

REFUND = (
    "text", "text", "text", "text", "numeric", "numeric", "numeric", "numeric", "text", "timestamptz", "timestamptz",
    "text", "text", "numeric", "bigint", "bigint", "bigint", "text",
)  # fmt: skip
DELETE_REFUSED = f"""
DELETE FROM refund USING {rows_of("text", "text", "text")} AS k(shop_id, invoice_number, refund_id)
 WHERE refund.shop_id = k.shop_id AND refund.invoice_number = k.invoice_number AND refund.refund_id = k.refund_id"""

INSERT_REFUNDS = f"""
INSERT INTO refund (shop_id, invoice_number, refund_id, currency, amount, shipping, gift_cards, points_paid, kind,
  occurred_at, received_at, customer_id, status, points_paid_part, points, points_expired, entry_sequence, refused_code)
SELECT * FROM {rows_of(*REFUND)}"""

UPDATE_REFUNDS = f"""
UPDATE refund SET status = k.status, points_paid_part = k.points_paid_part, points = k.points,
  points_expired = k.points_expired, entry_sequence = k.entry_sequence, refused_code = k.refused_code
  FROM {rows_of("text", "text", "text", "text", "numeric", "bigint", "bigint", "bigint", "text")}
    AS k(shop_id, invoice_number, refund_id, status, points_paid_part, points, points_expired, entry_sequence,
      refused_code)
 WHERE refund.shop_id = k.shop_id AND refund.invoice_number = k.invoice_number AND refund.refund_id = k.refund_id"""

UPDATE_LOTS = f"""
UPDATE lot SET remaining = k.remaining, pending = k.pending, expired = k.expired, announced = k.announced
  FROM {rows_of("text", "bigint", "bigint", "boolean", "bigint", "boolean")}
    AS k(customer_id, sequence, remaining, pending, expired, announced)
 WHERE lot.customer_id = k.customer_id AND lot.sequence = k.sequence"""

INSERT_ALLOCATIONS = f"""
INSERT INTO allocation (customer_id, debit_sequence, lot_sequence, points)
SELECT * FROM {rows_of("text", "bigint", "bigint", "bigint")}"""

ADD_USES = f"""
INSERT INTO campaign_use (customer_id, campaign, points, awards) SELECT * FROM {rows_of("text", "text", "bigint", "bigint")}
ON CONFLICT (customer_id, campaign) DO UPDATE SET points = campaign_use.points + excluded.points,
  awards = campaign_use.awards + excluded.awards"""

# only campaigns with a budget have a row
ADD_TO_BUDGETS = f"""
UPDATE campaign_budget SET points = campaign_budget.points + k.points, awards = campaign_budget.awards + k.awards
  FROM {rows_of("text", "bigint", "bigint")} AS k(campaign, points, awards) WHERE campaign_budget.campaign = k.campaign"""

MERGES = (
    "UPDATE card SET customer_id = $2 WHERE customer_id = $1",
    "UPDATE account SET merged_into = $2 WHERE merged_into = $1",
    """
    WITH gone AS (DELETE FROM progress WHERE customer_id = $1 RETURNING "on", points, spend)
    INSERT INTO progress (customer_id, "on", points, spend) SELECT $2, * FROM gone
    ON CONFLICT (customer_id, "on") DO UPDATE SET points = progress.points + excluded.points,
      spend = progress.spend + excluded.spend""",
    """
    WITH gone AS (DELETE FROM campaign_use WHERE customer_id = $1 RETURNING campaign, points, awards)
    INSERT INTO campaign_use (customer_id, campaign, points, awards) SELECT $2, * FROM gone
    ON CONFLICT (customer_id, campaign) DO UPDATE SET points = campaign_use.points + excluded.points,
      awards = campaign_use.awards + excluded.awards""",
)

INSERT_TIER_CHANGES = f"""
INSERT INTO tier_change (customer_id, event_sequence, "on", "left", reached, reason)
SELECT * FROM {rows_of("text", "bigint", "date", "text", "text", "text")}"""

INSERT_DEEDS = f"""
INSERT INTO audit (actor, action, subject, request_id, reason)
SELECT * FROM {rows_of("text", "text", "text", "text", "text")}"""

INSERT_ADJUSTMENTS = """
INSERT INTO adjustment (adjustment_id, customer_id, points, reason, note, actor, entry_sequence)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[])"""

INSERT_ANSWERS = """
INSERT INTO stored_answer (api_key, idempotency_key, fingerprint, status, body, content_type, lasting, answered_at)
SELECT *, $8::timestamptz
  FROM unnest($1::text[], $2::text[], $3::bytea[], $4::int[], $5::bytea[], $6::text[], $7::boolean[])"""

_account = attrgetter(
    "customer_id", "sequence", "event_sequence", "available", "pending", "lifetime_points", "purchases", "due_at"
)
_new_account = attrgetter(
    "customer_id", "sequence", "event_sequence", "available", "pending", "lifetime_points", "purchases", "due_at",
    "card_number", "enrolled_at", "settled_under",
)  # fmt: skip
_standing = attrgetter(
    "customer_id", "card_number", "status", "settled_under", "inactive_on", "inactivity_announced", "tier", "tier_since",
    "tier_review_on", "tier_announced", "tier_floor", "tier_floor_until", "merged_into",
)  # fmt: skip
_purchase = attrgetter(
    "shop_id", "invoice_number", "status", "customer_id", "card_number", "currency", "total", "shipping", "gift_cards",
    "points_paid", "promoted", "occurred_at", "received_at", "points", "entry_sequence", "award", "refunded",
    "refunded_eligible", "refunded_points_paid", "clawed_back", "clawed_back_expired", "document", "recorded_by",
    "sample",
)  # fmt: skip
_refund = attrgetter(
    "shop_id", "invoice_number", "refund_id", "currency", "amount", "shipping", "gift_cards", "points_paid", "kind",
    "occurred_at", "received_at", "customer_id", "status", "points_paid_part", "points", "points_expired",
    "entry_sequence", "refused_code",
)  # fmt: skip
_refund_change = attrgetter(
    "shop_id", "invoice_number", "refund_id", "status", "points_paid_part", "points", "points_expired",
    "entry_sequence", "refused_code",
)  # fmt: skip
_entry = attrgetter(
    "customer_id", "sequence", "kind", "points", "available_after", "pending_after", "reference", "occurred_at"
)
_key = attrgetter("shop_id", "invoice_number")


def _lot(customer_id: str, lot: Lot) -> tuple[object, ...]:
    return (
        customer_id, lot.sequence, lot.points, lot.remaining, lot.pending, lot.available_at, lot.expires_on, lot.expires_at,
        lot.lapses, lot.expired, lot.announced, *(lot.origin or (None, None)),
    )  # fmt: skip


async def save(connection: AsyncConnection, changes: Changes, now: dt.datetime) -> None:
    """Write what was decided. Raises the database's errors; a unique key tells that another transaction was first."""
    _forget_new(changes)
    await _save_hot(connection, changes, now)
    await _save_rest(connection, changes)
    await _save_free_text(connection, changes, now)
    for refund, code, detail in changes.late_refusals:
        await dead_letters.insert_late(
            connection,
            consumer=CONSUMER,
            topic=PURCHASES_TOPIC,
            key=refund.customer_id,
            value=_as_event(refund),
            code=code,
            error=detail,
        )


def _forget_new(changes: Changes) -> None:
    """What is new is inserted as it stands now; only what stood there before is updated."""
    for account in changes.accounts:
        changes.changed_accounts.pop(account.customer_id, None)
    for purchase in changes.purchases:
        changes.changed_purchases.pop(purchase.key, None)
    for key in changes.refunds:
        changes.changed_refunds.pop(key, None)
    for customer_id, lot in changes.lots:
        changes.changed_lots.pop((customer_id, lot.sequence), None)


async def _save_hot(connection: AsyncConnection, changes: Changes, now: dt.datetime) -> None:
    # sorted by their keys, as every batch does: what two of them write both is then written by one after the other
    await fetch(
        connection,
        SAVE,
        now,
        *joined([_account(each) for each in changes.changed_accounts.values()], len(ACCOUNT)),
        *joined([_purchase(each) for each in sorted(changes.purchases, key=_key)], len(PURCHASE)),
        *joined([_entry(each) for each in changes.entries], len(ENTRY)),
        *joined([_lot(*each) for each in changes.lots], len(LOT)),
        *joined(sorted(changes.events), 2),
        *joined(changes.outbox, 3),
        *joined(sorted(map(_new_account, changes.accounts)), len(NEW_ACCOUNT)),
        *joined([(number, *changes.cards[number]) for number in sorted(changes.cards)], 3),
        *joined([(*key, each.points, each.spend) for key, each in sorted(changes.progress.items())], len(PROGRESS)),
    )


async def _save_rest(connection: AsyncConnection, changes: Changes) -> None:
    lots = changes.changed_lots.items()
    for statement, rows in (
        (OWN_CARDS, [(number, *card) for number, card in changes.owned_cards.items()]),
        (UPDATE_STANDINGS, [_standing(each) for each in changes.changed_standings.values()]),
        (UPDATE_PURCHASES, [_purchase(each) for each in changes.changed_purchases.values()]),
        (DELETE_REFUSED, changes.retried_refunds),
        # in the order of their arrival, which the identity column keeps
        (INSERT_REFUNDS, [_refund(each) for each in changes.refunds.values()]),
        (UPDATE_REFUNDS, [_refund_change(each) for each in changes.changed_refunds.values()]),
        (UPDATE_LOTS, [(*key, lot.remaining, lot.pending, lot.expired, lot.announced) for key, lot in lots]),
        (INSERT_ALLOCATIONS, changes.allocations),
        (INSERT_TIER_CHANGES, changes.tier_changes),
        (INSERT_DEEDS, changes.deeds),
        (ADD_USES, [(*key, use.points, use.awards) for key, use in changes.uses.items()]),
        (ADD_TO_BUDGETS, [(name, use.points, use.awards) for name, use in _by_campaign(changes.uses).items()]),
    ):
        if rows:
            await fetch(connection, statement, *joined(rows, 0))
    for merge in changes.merges:
        for statement in MERGES:
            await fetch(connection, statement, *merge)


def _by_campaign(uses: Mapping[tuple[str, str], Use]) -> dict[str, Use]:
    totals: dict[str, Use] = {}
    for (_, campaign), use in uses.items():
        totals[campaign] = totals.get(campaign, UNUSED) + use
    return totals


async def _save_free_text(connection: AsyncConnection, changes: Changes, now: dt.datetime) -> None:
    """Save what holds anything that people or clients write, which no separator can split."""
    if changes.adjustments:
        rows = [
            (each.adjustment_id, each.customer_id, each.points, each.reason, each.note, each.actor, sequence)
            for each, sequence in changes.adjustments
        ]
        await fetch(connection, INSERT_ADJUSTMENTS, *zip(*rows, strict=True))
    if changes.answers:
        answers = [
            (key.api_key, key.key, key.fingerprint, answer.status, answer.body, answer.content_type, lasting)
            for key, answer, lasting in changes.answers
        ]
        await fetch(connection, INSERT_ANSWERS, *zip(*answers, strict=True), now)


def _as_event(refund: Refund) -> bytes:
    """Return the event of a refund that had waited and is refused now: the one that brought it is long gone.

    It has a name of its own, since the other is known: to try again is more than to repeat.
    """
    said = ("shop_id", "invoice_number", "refund_id", "currency", "amount", "shipping", "gift_cards", "kind")
    data = {name: str(getattr(refund, name)) for name in said}
    data |= {
        name: str(value) for name in ("customer_id", "points_paid") if (value := getattr(refund, name)) is not None
    }
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_name(*refund.key, "refused"),
            "source": SOURCE,
            "type": "loyalty.purchase.refunded.v1",
            "time": refund.received_at,
            "data": data | {"occurred_at": refund.occurred_at},
        }
    )
