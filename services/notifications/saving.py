"""What a batch has decided, written with a handful of set-based statements."""

import datetime as dt
from itertools import chain
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications import tables
from services.notifications.books import Changes
from services.notifications.records import ConsentKey
from services.notifications.rules.consent import Consent, Standing
from shared import erasures
from shared.columns import Columns, joined, rows_of
from shared.database import fetch

CUSTOMER = Columns(
    tables.customer,
    "customer_id event_sequence salutation given_name family_name language time_zone birthday birthday_entered_on joined_on"
    " email phone preferred_channel preferences profile_at tier available pending points_sequence tier_sequence purchases"
    " turnover first_purchase_at last_purchase_at merged_into erased_at digest_sequence",
)
NOTIFICATION = Columns(
    tables.notification,
    "notification_id customer_id subject reference status purpose happened_at due_at until day content coupon_id channel"
    " reason said_at",
)
DISPATCH = Columns(
    tables.dispatch,
    "notification_id customer_id channel address message status due_at attempts answer ended_at",
)
COUPON = Columns(
    tables.coupon,
    "coupon_id customer_id origin status code value titles issued_at valid_until reservation reserved_until shop_id"
    " invoice_number ended_at reason categories stacks announced",
)
USE = Columns(tables.coupon_use, "code shop_id invoice_number status occurred_at customer_id amount reason")
SALE = Columns(
    tables.sale,
    "shop_id invoice_number total refunded customer_id card_number currency occurred_at categories is_turnover",
)
SHARED = Columns(
    tables.shared_code,
    "code value titles categories stacks refund_frees most_uses most_amount currency most_per_customer uses amount"
    " valid_from valid_until created_at ended_at reason",
)
KEPT = Columns(tables.shared_reservation, "code reservation reserved_until customer_id amount")
KEPT_KEY = Columns(tables.shared_reservation, "code reservation")
SEGMENT = Columns(tables.segment, "name filter saved_at saved_by")
SEGMENT_KEY = Columns(tables.segment, "name")
CARD = Columns(tables.card, "card_number customer_id")
OWN_DATE = Columns(tables.own_date, "customer_id name date entered_on")
OWN_DATE_KEY = Columns(tables.own_date, "customer_id name")
BOUGHT = Columns(tables.bought, "customer_id category purchases last_at")
REFUND = Columns(tables.refund, "shop_id invoice_number refund_id")

CONSENT = Columns(
    tables.consent,
    "customer_id channel purpose state asked_at asked_how asked_text confirmed_at confirmed_how confirmed_text"
    " withdrawn_at withdrawn_how withdrawn_text",
)
ADDRESS = Columns(tables.address, "channel address soft_bounces bounced_at complained_at")
LIFTED = Columns(tables.address, "channel address")

INSERT_CUSTOMERS, UPDATE_CUSTOMERS = CUSTOMER.insert(), CUSTOMER.update()
INSERT_COUPONS, UPDATE_COUPONS = COUPON.insert(), COUPON.update()
INSERT_NOTIFICATIONS, UPDATE_NOTIFICATIONS = NOTIFICATION.insert(), NOTIFICATION.update()
INSERT_DISPATCHES, UPDATE_DISPATCHES = DISPATCH.insert(), DISPATCH.update()
INSERT_USES, UPDATE_USES = USE.insert(), USE.update()
PUT_CONSENTS, PUT_ADDRESSES, DELETE_ADDRESSES = CONSENT.put(), ADDRESS.put(), LIFTED.delete()
INSERT_SALES, UPDATE_SALES, INSERT_REFUNDS = SALE.insert(), SALE.update(), REFUND.insert()

INSERT_SHARED, UPDATE_SHARED = SHARED.insert(), SHARED.update()
PUT_KEPT, DELETE_KEPT = KEPT.put(), KEPT_KEY.delete()
PUT_SEGMENTS, DELETE_SEGMENTS = SEGMENT.put(), SEGMENT_KEY.delete()
INSERT_CARDS, PUT_OWN_DATES, DELETE_OWN_DATES = CARD.insert(), OWN_DATE.put(), OWN_DATE_KEY.delete()

ADDED = """ON CONFLICT (customer_id, category) DO UPDATE
 SET purchases = bought.purchases + excluded.purchases, last_at = greatest(bought.last_at, excluded.last_at)"""
ADD_BOUGHT = f"{BOUGHT.insert()} {ADDED}"

MERGED = f"{rows_of('text', 'text')} AS k(name, into_name)"
FORWARD = f"UPDATE customer c SET merged_into = k.into_name FROM {MERGED} WHERE c.merged_into = k.name"
MOVE_BOUGHT = f"""
WITH gone AS (DELETE FROM bought b USING {MERGED} WHERE b.customer_id = k.name RETURNING into_name, category, purchases, last_at)
INSERT INTO bought (customer_id, category, purchases, last_at)
SELECT into_name, category, sum(purchases), max(last_at) FROM gone GROUP BY 1, 2 {ADDED}"""
MOVE_OWN_DATES = f"""
WITH gone AS (DELETE FROM own_date o USING {MERGED} WHERE o.customer_id = k.name RETURNING into_name, o.name, date, entered_on)
INSERT INTO own_date (customer_id, name, date, entered_on)
SELECT DISTINCT ON (into_name, name) into_name, name, date, entered_on FROM gone ORDER BY into_name, name, entered_on DESC
ON CONFLICT (customer_id, name) DO NOTHING"""
# occasions of who is no more are planned anew for whom they go on as, unless either of the two had them
UNPLAN_MERGED = f"""
DELETE FROM notification n USING {MERGED}
 WHERE n.status = 'planned' AND n.subject LIKE 'occasion:%' AND (n.customer_id = k.name OR (n.customer_id = k.into_name
   AND EXISTS (SELECT FROM notification had WHERE had.customer_id = k.name AND had.subject = n.subject
     AND had.reference = n.reference AND had.status <> 'planned')))"""
# a no is one under every name; a yes was given under its own, for what stood there
MOVE_REFUSALS = f"""
INSERT INTO consent (customer_id, channel, purpose, state, withdrawn_at, withdrawn_how, withdrawn_text)
SELECT DISTINCT ON (into_name, channel, purpose)
    into_name, channel, purpose, state, withdrawn_at, withdrawn_how, withdrawn_text
  FROM consent c JOIN {MERGED} ON c.customer_id = k.name WHERE state = 'withdrawn'
 ORDER BY into_name, channel, purpose, withdrawn_at DESC
ON CONFLICT (customer_id, channel, purpose) DO UPDATE
 SET state = excluded.state, withdrawn_at = excluded.withdrawn_at, withdrawn_how = excluded.withdrawn_how,
     withdrawn_text = excluded.withdrawn_text
 WHERE excluded.withdrawn_at >= greatest(consent.asked_at, consent.confirmed_at, consent.withdrawn_at)"""
MOVE_NOTIFICATIONS = f"UPDATE notification n SET customer_id = k.into_name FROM {MERGED} WHERE n.customer_id = k.name"
MOVE_DISPATCHES = f"UPDATE dispatch d SET customer_id = k.into_name FROM {MERGED} WHERE d.customer_id = k.name"
MOVE_COUPONS = f"UPDATE coupon c SET customer_id = k.into_name FROM {MERGED} WHERE c.customer_id = k.name"
UNPLAN = f"""
DELETE FROM notification n USING {rows_of("text", "text")} AS k(customer_id, subject)
 WHERE n.customer_id = k.customer_id AND n.subject = k.subject AND n.status = 'planned'"""

FORGET = f"DELETE FROM notification USING {rows_of('uuid')} AS k(key) WHERE notification_id = k.key"

NOT_SAID = (None, None, None)

INSERT_OUTBOX = f"""
INSERT INTO outbox (topic, key, payload)
SELECT topic, key, convert_to(payload, 'UTF8') FROM {rows_of("text", "text", "text")} AS k(topic, key, payload)"""


# nobody is to redeem, plan or say anything of theirs until the rest of it is deleted
END_COUPONS = """
UPDATE coupon SET status = 'voided', reason = 'customer-erased', ended_at = $2, code = NULL, reservation = NULL,
  reserved_until = NULL
 WHERE customer_id = ANY($1::text[]) AND status IN ('issued', 'reserved')"""
UNPLAN_ERASED = "DELETE FROM notification WHERE customer_id = ANY($1::text[]) AND status = 'planned'"


async def save(connection: AsyncConnection, changes: Changes, now: dt.datetime) -> None:
    """Write what was decided. Raises the database's errors; a unique key tells that another transaction was first."""
    if changes.erased:
        await erasures.begin(connection, changes.erased, changes.erased, now=now)
    for statement, rows in (
        (INSERT_SALES, [SALE.of(changes.new_sales[key]) for key in sorted(changes.new_sales)]),
        (UPDATE_SALES, [SALE.of(each) for each in changes.sales.values()]),
        (INSERT_REFUNDS, sorted(changes.refunds)),
        (INSERT_COUPONS, [COUPON.of(changes.new_coupons[name]) for name in sorted(changes.new_coupons)]),
        (UPDATE_COUPONS, [COUPON.of(each) for each in changes.coupons.values()]),
        (INSERT_USES, [USE.of(changes.new_uses[key]) for key in sorted(changes.new_uses)]),
        (UPDATE_USES, [USE.of(each) for each in changes.uses.values()]),
        (INSERT_SHARED, [SHARED.of(changes.new_shared[name]) for name in sorted(changes.new_shared)]),
        (UPDATE_SHARED, [SHARED.of(each) for each in changes.shared.values()]),
        (DELETE_KEPT, sorted(changes.no_longer_kept)),
        (PUT_KEPT, [KEPT.of(changes.kept[key]) for key in sorted(changes.kept)]),
        (INSERT_CUSTOMERS, [CUSTOMER.of(changes.new_customers[name]) for name in sorted(changes.new_customers)]),
        (UPDATE_CUSTOMERS, [CUSTOMER.of(each) for each in changes.customers.values()]),
        (DELETE_SEGMENTS, sorted((name,) for name in changes.dropped_segments)),
        (PUT_SEGMENTS, [changes.segments[name] for name in sorted(changes.segments)]),
        (INSERT_CARDS, sorted(changes.cards.items())),
        (DELETE_OWN_DATES, sorted(changes.dropped_dates)),
        (PUT_OWN_DATES, [OWN_DATE.of(changes.own_dates[key]) for key in sorted(changes.own_dates)]),
        (ADD_BOUGHT, [BOUGHT.of(changes.bought[key]) for key in sorted(changes.bought)]),
        (FORGET, changes.forgotten),
        (FORWARD, changes.merged),
        (MOVE_BOUGHT, changes.merged),
        (MOVE_OWN_DATES, changes.merged),
        (UNPLAN_MERGED, changes.merged),
        (MOVE_REFUSALS, changes.merged),
        (MOVE_NOTIFICATIONS, changes.merged),
        (MOVE_DISPATCHES, changes.merged),
        (MOVE_COUPONS, changes.merged),
        (UNPLAN, sorted(changes.unplanned)),
        (INSERT_NOTIFICATIONS, [NOTIFICATION.of(each) for each in changes.new_notifications.values()]),
        (UPDATE_NOTIFICATIONS, [NOTIFICATION.of(each) for each in changes.notifications.values()]),
        (INSERT_DISPATCHES, [DISPATCH.of(each) for each in changes.new_dispatches.values()]),
        (UPDATE_DISPATCHES, [DISPATCH.of(each) for each in changes.dispatches.values()]),
        (PUT_CONSENTS, [_consent(key, each) for key, each in sorted(changes.consents.items())]),
        (PUT_ADDRESSES, [(*key, *each) for key, each in sorted(changes.standings.items()) if each != Standing()]),
        (DELETE_ADDRESSES, [key for key, each in sorted(changes.standings.items()) if each == Standing()]),
        (INSERT_OUTBOX, changes.outbox),
    ):
        if rows:
            await fetch(connection, statement, *joined(rows, 0))
    if changes.erased:
        await fetch(connection, END_COUPONS, changes.erased, now)
        await fetch(connection, UNPLAN_ERASED, changes.erased)


def _consent(key: ConsentKey, consent: Consent) -> tuple[Any, ...]:
    said = [proof or NOT_SAID for proof in (consent.asked, consent.confirmed, consent.withdrawn)]
    return (*key, consent.state, *chain(*said))
