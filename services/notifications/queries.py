"""Reading the books without locking them."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.loading import columns
from services.notifications.records import Coupon
from shared.database import fetch

BY_CODE = f"SELECT {columns(Coupon)} FROM coupon WHERE code = $1"
OF_CUSTOMER = f"""
SELECT {columns(Coupon)} FROM coupon WHERE customer_id = $1 AND coupon_id > $2 ORDER BY coupon_id LIMIT $3"""


async def coupon(connection: AsyncConnection, code: str) -> Coupon | None:
    """Return the coupon of a code."""
    rows = await fetch(connection, BY_CODE, code)
    return Coupon(*rows[0]) if rows else None


async def coupons(connection: AsyncConnection, customer_id: str, *, after: str, limit: int) -> list[Coupon]:
    """Return a customer's coupons in the order of their ids."""
    return [Coupon(*row) for row in await fetch(connection, OF_CUSTOMER, customer_id, after, limit)]
