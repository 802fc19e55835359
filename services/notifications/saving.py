"""What a batch has decided, written with a handful of set-based statements."""

from itertools import chain
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications import tables
from services.notifications.books import Changes
from services.notifications.records import ConsentKey
from services.notifications.rules.consent import Consent, Standing
from shared.columns import Columns, joined, rows_of
from shared.database import fetch

CUSTOMER = Columns(
    tables.customer,
    "customer_id event_sequence salutation given_name family_name language time_zone birthday birthday_entered_on joined_on"
    " email phone preferred_channel preferences profile_at tier available pending points_sequence purchases turnover"
    " first_purchase_at last_purchase_at erased_at",
)
NOTIFICATION = Columns(
    tables.notification,
    "notification_id customer_id subject reference status purpose happened_at due_at until day content coupon_id channel"
    " reason said_at",
)
COUPON = Columns(
    tables.coupon,
    "coupon_id customer_id origin status code value titles issued_at valid_until reservation reserved_until shop_id"
    " invoice_number ended_at reason",
)
USE = Columns(tables.coupon_use, "code shop_id invoice_number status occurred_at")
SALE = Columns(tables.sale, "shop_id invoice_number total refunded")
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
INSERT_USES, UPDATE_USES = USE.insert(), USE.update()
PUT_CONSENTS, PUT_ADDRESSES, DELETE_ADDRESSES = CONSENT.put(), ADDRESS.put(), LIFTED.delete()
INSERT_SALES, UPDATE_SALES, INSERT_REFUNDS = SALE.insert(), SALE.update(), REFUND.insert()

NOT_SAID = (None, None, None)

INSERT_OUTBOX = f"""
INSERT INTO outbox (topic, key, payload)
SELECT topic, key, convert_to(payload, 'UTF8') FROM {rows_of("text", "text", "text")} AS k(topic, key, payload)"""


async def save(connection: AsyncConnection, changes: Changes) -> None:
    """Write what was decided. Raises the database's errors; a unique key tells that another transaction was first."""
    for statement, rows in (
        (INSERT_SALES, [SALE.of(changes.new_sales[key]) for key in sorted(changes.new_sales)]),
        (UPDATE_SALES, [SALE.of(each) for each in changes.sales.values()]),
        (INSERT_REFUNDS, sorted(changes.refunds)),
        (INSERT_COUPONS, [COUPON.of(changes.new_coupons[name]) for name in sorted(changes.new_coupons)]),
        (UPDATE_COUPONS, [COUPON.of(each) for each in changes.coupons.values()]),
        (INSERT_USES, [USE.of(changes.new_uses[key]) for key in sorted(changes.new_uses)]),
        (UPDATE_USES, [USE.of(each) for each in changes.uses.values()]),
        (INSERT_CUSTOMERS, [CUSTOMER.of(changes.new_customers[name]) for name in sorted(changes.new_customers)]),
        (UPDATE_CUSTOMERS, [CUSTOMER.of(each) for each in changes.customers.values()]),
        (INSERT_NOTIFICATIONS, [NOTIFICATION.of(each) for each in changes.new_notifications.values()]),
        (UPDATE_NOTIFICATIONS, [NOTIFICATION.of(each) for each in changes.notifications.values()]),
        (PUT_CONSENTS, [_consent(key, each) for key, each in sorted(changes.consents.items())]),
        (PUT_ADDRESSES, [(*key, *each) for key, each in sorted(changes.standings.items()) if each != Standing()]),
        (DELETE_ADDRESSES, [key for key, each in sorted(changes.standings.items()) if each == Standing()]),
        (INSERT_OUTBOX, changes.outbox),
    ):
        if rows:
            await fetch(connection, statement, *joined(rows, 0))


def _consent(key: ConsentKey, consent: Consent) -> tuple[Any, ...]:
    said = [proof or NOT_SAID for proof in (consent.asked, consent.confirmed, consent.withdrawn)]
    return (*key, consent.state, *chain(*said))
