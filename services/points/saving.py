"""What a batch has decided, written with a handful of set-based statements."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from operator import attrgetter

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from services.points import tables
from services.points.books import Changes
from services.points.commands import SOURCE
from services.points.decisions.events import PURCHASES_TOPIC, event_name
from services.points.records import Redemption, Refund
from services.points.rules.earning import UNUSED, Use
from services.points.rules.lots import Lot
from shared import erasures
from shared.columns import Columns, firsts, joined, rows_of
from shared.database import fetch
from shared.messaging import dead_letters

CONSUMER = "points"

RUNNING = "customer_id sequence event_sequence available pending held lifetime_points purchases due_at"
ACCOUNT = Columns(tables.account, RUNNING)
NEW_ACCOUNT = Columns(tables.account, f"{RUNNING} card_number enrolled_at settled_under")
STANDING = Columns(
    tables.account,
    "customer_id card_number status settled_under inactive_on inactivity_announced tier tier_since tier_review_on tier_announced"
    " tier_floor tier_floor_until merged_into pool_id",
)
CARD = Columns(tables.card, "card_number customer_id issued_at")
BOOKED = (
    "shop_id invoice_number status customer_id card_number currency total shipping gift_cards points_paid promoted"
    " occurred_at received_at points entry_sequence award document recorded_by sample"
)
NEW_PURCHASE = Columns(tables.purchase, BOOKED)
PURCHASE = Columns(
    tables.purchase,
    f"{BOOKED} refunded refunded_eligible refunded_points_paid clawed_back clawed_back_expired redeemed unpaid restored"
    " settled",
)
REFUND_KEY = Columns(tables.refund, "shop_id invoice_number refund_id")
NEW_REFUND = Columns(
    tables.refund,
    "shop_id invoice_number refund_id currency amount shipping gift_cards points_paid kind occurred_at received_at"
    " customer_id status points_paid_part points points_expired entry_sequence refused_code",
)
REFUND = Columns(
    tables.refund,
    "shop_id invoice_number refund_id status points_paid_part points points_expired entry_sequence refused_code",
)
ENTRY = Columns(
    tables.entry, "customer_id sequence kind points available_after pending_after reference occurred_at held_after"
)
NEW_LOT = Columns(tables.lot, "customer_id sequence points remaining pending available_at expires_on expires_at lapses")
LOT = Columns(
    tables.lot, "customer_id sequence remaining pending expired announced origin_customer_id origin_sequence graced"
)
ALLOCATION = Columns(tables.allocation, "customer_id debit_sequence lot_sequence points")
REDEMPTION = Columns(
    tables.redemption,
    "redemption_id customer_id points sequence status created_at hold_until held captured restored shop_id"
    " invoice_number paid_purchase claim_id",
)
REDEEMED_LOT = Columns(tables.redemption_lot, "customer_id redemption_id lot_sequence held captured restored")
SETTLEMENT = Columns(
    tables.settlement,
    "redemption_id shop_id invoice_number customer_id currency amount points occurred_at clawed_back clawed_back_expired"
    " entry_sequence",
)
GIFT = Columns(tables.gift, "gift_id customer_id recipient_id points entry_sequence occurred_at")
GRANT = Columns(
    tables.points_grant,
    "source reward_id customer_id status rule points occurred_at entry_sequence qualifying revoked_at revoked_expired"
    " revocation_sequence",
)
REWARD = Columns(tables.reward, "reward_id document created_at claimed retired_at")
CLAIM = Columns(
    tables.reward_claim,
    "claim_id customer_id reward_id redemption_id kind points status claimed_at code valid_until member_number units"
    " ended_at reason",
)
EVENT = Columns(tables.event, "source id")
OUTBOX = Columns(tables.outbox, "topic key payload")
PROGRESS = Columns(tables.progress, "customer_id on points spend")
USE = Columns(tables.campaign_use, "customer_id campaign points awards")
CREDIT_DAY = Columns(tables.credit_day, "actor on points")
BUDGET = Columns(tables.campaign_budget, "campaign points awards")
TIER_CHANGE = Columns(tables.tier_change, "customer_id event_sequence on left reached reason")

HOT = (ACCOUNT, NEW_PURCHASE, ENTRY, NEW_LOT, EVENT, NEW_ACCOUNT, CARD, PROGRESS, OUTBOX)
AT = dict(zip(HOT, firsts(2, *HOT), strict=True))

# One statement for what every award writes, and no more of it: what else happened to a new purchase or lot in the same
# batch is written over it. Without a join between its parts: such a join would be planned as a nested loop over the
# whole batch.
SAVE = f"""
WITH changed AS ({ACCOUNT.update(AT[ACCOUNT])}),
  purchases AS ({NEW_PURCHASE.insert(AT[NEW_PURCHASE])}),
  entries AS ({ENTRY.insert(AT[ENTRY], recorded_at="$1::timestamptz")}),
  lots AS ({NEW_LOT.insert(AT[NEW_LOT])}),
  events AS ({EVENT.insert(AT[EVENT])}),
  accounts AS ({NEW_ACCOUNT.insert(AT[NEW_ACCOUNT])}),
  cards AS ({CARD.insert(AT[CARD])}),
  progress AS ({PROGRESS.add(AT[PROGRESS])})
INSERT INTO outbox (topic, key, payload)
SELECT topic, key, convert_to(payload, 'UTF8') FROM {rows_of("text", "text", "text", first=AT[OUTBOX])} AS k(topic, key, payload)"""

UPDATE_STANDINGS, UPDATE_PURCHASES, UPDATE_LOTS = STANDING.update(), PURCHASE.update(), LOT.update()
INSERT_REFUNDS, UPDATE_REFUNDS, DELETE_REFUSED = NEW_REFUND.insert(), REFUND.update(), REFUND_KEY.delete()
ADD_ALLOCATIONS, INSERT_TIER_CHANGES = ALLOCATION.add(), TIER_CHANGE.insert()
INSERT_GRANTS, UPDATE_GRANTS = GRANT.insert(), GRANT.update()
INSERT_SETTLEMENTS, INSERT_GIFTS = SETTLEMENT.insert(), GIFT.insert()
ADD_TO_CREDIT_DAYS = CREDIT_DAY.add()
ADD_USES, PUT_REDEMPTIONS, PUT_REDEEMED_LOTS = USE.add(), REDEMPTION.put(), REDEEMED_LOT.put()
INSERT_REWARDS, UPDATE_REWARDS, PUT_CLAIMS = REWARD.insert(), REWARD.update(), CLAIM.put()

# a card that purchases wait for stands there already, without an owner
OWN_CARDS = f"{CARD.update()} AND card.customer_id IS NULL"

# only campaigns with a budget have a row
ADD_TO_BUDGETS = f"""
UPDATE campaign_budget SET points = campaign_budget.points + k.points, awards = campaign_budget.awards + k.awards
  FROM {BUDGET.rows()} WHERE campaign_budget.campaign = k.campaign"""

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

# also of those that were merged
TAKE_CARDS = "UPDATE account SET card_number = NULL WHERE customer_id = ANY($1::text[])"

PUT_ADJUSTMENTS = """
INSERT INTO adjustment (adjustment_id, customer_id, points, reason, note, actor, kind, expires_on, created_at, "on", status,
  entry_sequence, decided_by, decided_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[],
  $9::timestamptz[], $10::date[], $11::text[], $12::bigint[], $13::text[], $14::timestamptz[])
ON CONFLICT (adjustment_id) DO UPDATE SET customer_id = excluded.customer_id, status = excluded.status,
  entry_sequence = excluded.entry_sequence, decided_by = excluded.decided_by, decided_at = excluded.decided_at"""

INSERT_ACTIONS = """
INSERT INTO action_given (customer_id, action, points, entry_sequence, programme_version, occurred_at, reference)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::int[], $6::timestamptz[], $7::text[])"""

_key = attrgetter("shop_id", "invoice_number")


def _new_lot(customer_id: str, lot: Lot) -> tuple[object, ...]:
    return (
        customer_id, lot.sequence, lot.points, lot.points, lot.pending, lot.available_at, lot.expires_on, lot.expires_at,
        lot.lapses,
    )  # fmt: skip


def _lot(customer_id: str, lot: Lot) -> tuple[object, ...]:
    origin = lot.origin or (None, None)
    return customer_id, lot.sequence, lot.remaining, lot.pending, lot.expired, lot.announced, *origin, lot.graced


def _redeemed_lots(redemption: Redemption) -> Iterator[tuple[object, ...]]:
    for part in redemption.lots:
        yield (
            redemption.customer_id, redemption.redemption_id, part.lot_sequence, part.held, part.captured, part.restored
        )  # fmt: skip


async def save(connection: AsyncConnection, changes: Changes, now: dt.datetime) -> None:
    """Write what was decided. Raises the database's errors; a unique key tells that another transaction was first."""
    _forget_inserted(changes)
    if changes.erased:
        await erasures.begin(connection, changes.erased, sorted(changes.withheld), now=now)
    await _save_hot(connection, changes, now)
    await _save_rest(connection, changes)
    await _save_free_text(connection, changes)
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


def _forget_inserted(changes: Changes) -> None:
    """What is inserted as it stands now needs no update."""
    for account in changes.accounts:
        changes.changed_accounts.pop(account.customer_id, None)
    for key in changes.refunds:
        changes.changed_refunds.pop(key, None)
    for grant in changes.new_grants:
        changes.changed_grants.pop(grant, None)
    for name in changes.new_rewards:
        changes.changed_rewards.pop(name, None)


async def _save_hot(connection: AsyncConnection, changes: Changes, now: dt.datetime) -> None:
    # sorted by their keys, as every batch does: what two of them write both is then written by one after the other
    await fetch(
        connection,
        SAVE,
        now,
        *ACCOUNT.joined([ACCOUNT.of(each) for each in changes.changed_accounts.values()]),
        *NEW_PURCHASE.joined([NEW_PURCHASE.of(each) for each in sorted(changes.purchases, key=_key)]),
        *ENTRY.joined(changes.entries),
        *NEW_LOT.joined([_new_lot(*each) for each in changes.lots]),
        *EVENT.joined(sorted(changes.events)),
        *NEW_ACCOUNT.joined(sorted(map(NEW_ACCOUNT.of, changes.accounts))),
        *CARD.joined([(number, *changes.cards[number]) for number in sorted(changes.cards)]),
        *PROGRESS.joined([(*key, each.points, each.spend) for key, each in sorted(changes.progress.items())]),
        *OUTBOX.joined(changes.outbox),
    )


async def _save_rest(connection: AsyncConnection, changes: Changes) -> None:
    for statement, rows in (
        (OWN_CARDS, [(number, *card) for number, card in changes.owned_cards.items()]),
        (UPDATE_STANDINGS, [STANDING.of(each) for each in changes.changed_standings.values()]),
        (UPDATE_PURCHASES, [PURCHASE.of(each) for each in changes.changed_purchases.values()]),
        (DELETE_REFUSED, changes.retried_refunds),
        # in the order of their arrival, which the identity column keeps
        (INSERT_REFUNDS, [NEW_REFUND.of(each) for each in changes.refunds.values()]),
        (UPDATE_REFUNDS, [REFUND.of(each) for each in changes.changed_refunds.values()]),
        (UPDATE_LOTS, [_lot(customer_id, lot) for (customer_id, _), lot in changes.changed_lots.items()]),
        (ADD_ALLOCATIONS, [(*key, points) for key, points in changes.allocations.items()]),
        (PUT_REDEMPTIONS, [REDEMPTION.of(each) for each in changes.redemptions.values()]),
        (PUT_REDEEMED_LOTS, [row for each in changes.redemptions.values() for row in _redeemed_lots(each)]),
        (INSERT_SETTLEMENTS, [SETTLEMENT.of(each) for each in changes.settlements]),
        (INSERT_GIFTS, changes.gifts),
        (INSERT_GRANTS, [GRANT.of(changes.new_grants[key]) for key in sorted(changes.new_grants)]),
        (UPDATE_GRANTS, [GRANT.of(each) for each in changes.changed_grants.values()]),
        (INSERT_REWARDS, [REWARD.of(changes.new_rewards[name]) for name in sorted(changes.new_rewards)]),
        (UPDATE_REWARDS, [REWARD.of(each) for each in changes.changed_rewards.values()]),
        (PUT_CLAIMS, [CLAIM.of(each) for each in changes.claims.values()]),
        (INSERT_TIER_CHANGES, changes.tier_changes),
        (ADD_TO_CREDIT_DAYS, [(*key, points) for key, points in changes.given_by_hand.items()]),
        (ADD_USES, [(*key, use.points, use.awards) for key, use in changes.uses.items()]),
        (ADD_TO_BUDGETS, [(name, use.points, use.awards) for name, use in _by_campaign(changes.uses).items()]),
    ):
        if rows:
            await fetch(connection, statement, *joined(rows, 0))
    for merge in changes.merges:
        for statement in MERGES:
            await fetch(connection, statement, *merge)
    if changes.erased:
        await fetch(connection, TAKE_CARDS, changes.erased)


def _by_campaign(uses: Mapping[tuple[str, str], Use]) -> dict[str, Use]:
    totals: dict[str, Use] = {}
    for (_, campaign), use in uses.items():
        totals[campaign] = totals.get(campaign, UNUSED) + use
    return totals


async def _save_free_text(connection: AsyncConnection, changes: Changes) -> None:
    """Save what holds anything that people or clients write, which no separator can split."""
    if changes.adjustments:
        adjustments = map(astuple, changes.adjustments.values())
        await fetch(connection, PUT_ADJUSTMENTS, *zip(*adjustments, strict=True))
    if changes.actions:
        await fetch(connection, INSERT_ACTIONS, *zip(*changes.actions, strict=True))


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
