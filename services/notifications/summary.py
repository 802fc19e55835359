"""What messages come to: figures for a shop's owner, read from the books as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import fetch

MESSAGES = """
SELECT subject, count(*) AS messages, count(*) FILTER (WHERE status = 'planned') AS planned,
    count(*) FILTER (WHERE status = 'sent') AS sent, count(*) FILTER (WHERE status = 'suppressed') AS suppressed
  FROM notification GROUP BY subject ORDER BY subject"""

SUPPRESSED = """
SELECT reason, count(*) AS messages FROM notification WHERE status = 'suppressed'
 GROUP BY reason ORDER BY messages DESC, reason"""

COUPONS = "SELECT status, count(*) AS coupons FROM coupon WHERE origin = 'occasion' GROUP BY status"

FIRST_CODES = """
SELECT code FROM coupon WHERE origin = 'occasion' AND code IS NOT NULL ORDER BY issued_at, coupon_id LIMIT $1"""

WITH_A_PROFILE = "SELECT customer_id FROM customer WHERE customer_id = ANY($1::text[]) AND profile_at IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Told:
    """What customers were told and given; as the statements above name it."""

    messages: list[dict[str, Any]]
    suppressed: dict[str, int]
    """By reason."""
    coupons: dict[str, int]
    """Of occasions, by what became of them."""


async def told(connection: AsyncConnection) -> Told:
    """Sum up all messages, and the coupons of occasions."""
    messages = [dict(row) for row in await fetch(connection, MESSAGES)]
    return Told(messages, dict(await fetch(connection, SUPPRESSED)), dict(await fetch(connection, COUPONS)))


async def first_codes(connection: AsyncConnection, most: int) -> list[str]:
    """Return the codes of those coupons that an occasion brought first."""
    return [row["code"] for row in await fetch(connection, FIRST_CODES, most)]


async def with_a_profile(connection: AsyncConnection, names: Sequence[str]) -> set[str]:
    """Return who of these customers has a profile."""
    return {row["customer_id"] for row in await fetch(connection, WITH_A_PROFILE, names)}
