"""Reading consents without locking them."""

from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.loading import CONSENT_COLUMNS, consent_of
from services.notifications.records import ConsentKey
from services.notifications.rules.consent import Consent
from shared.database import fetch

# who goes on as another is found under both names
LIVE = "coalesce((SELECT merged_into FROM customer WHERE customer_id = $1), $1)"
OF_CUSTOMER = f"SELECT {CONSENT_COLUMNS} FROM consent WHERE customer_id = {LIVE} ORDER BY channel, purpose"
CUSTOMER = f"SELECT language, erased_at IS NOT NULL AS is_erased FROM customer WHERE customer_id = {LIVE}"


class Known(NamedTuple):
    """What pages ask of a customer."""

    language: str | None
    is_erased: bool


async def consents(connection: AsyncConnection, customer_id: str) -> dict[ConsentKey, Consent]:
    """Return a customer's consents by channel and purpose."""
    return dict(map(consent_of, await fetch(connection, OF_CUSTOMER, customer_id)))


async def known(connection: AsyncConnection, customer_id: str) -> Known | None:
    """Return what is known of a customer; nothing of one who was never heard of."""
    rows = await fetch(connection, CUSTOMER, customer_id)
    return Known(*rows[0]) if rows else None
