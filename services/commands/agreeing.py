"""Whether two services agree: what one of them owes is what the other has booked."""

from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.verification import SHOWN, Finding

PROMISED = """
SELECT reward_id, customer_id, (benefit->>'points')::bigint AS points, status,
    owed OR decided_at > now() - interval '10 minutes' AS is_on_its_way
  FROM reward LEFT JOIN (
    SELECT DISTINCT convert_from(payload, 'UTF8')::jsonb->'data'->>'reward_id' AS reward_id, true AS owed FROM outbox) o
    USING (reward_id)
 WHERE benefit->>'kind' = 'points' ORDER BY reward_id COLLATE "C\""""
"""Of the referrals: the points that they owe; an event that has not left, or only just has, may still be on its way."""

GRANTED = """
SELECT reward_id, customer_id, points, status FROM points_grant
 WHERE source = 'referrals' AND rule IS DISTINCT FROM 'pair' ORDER BY reward_id COLLATE "C\""""
"""Of the points: what was booked for recommendations; those that were only taken back yet say not what for."""

ERASED = "SELECT customer_id FROM erasure"
"""Of either: what was owed to them is owed to nobody, wherever it had come to."""

MERGED = "SELECT customer_id, merged_into FROM account WHERE merged_into IS NOT NULL"

BOOKED = {"given": "granted", "reversed": "revoked"}
"""How a reward stands in the points' books; any other is not there."""


class Promise(NamedTuple):
    """Points that a customer is owed for a recommendation."""

    reward_id: str
    customer_id: str
    points: int
    status: str
    is_on_its_way: bool | None


class Grant(NamedTuple):
    """Points that a customer got for a recommendation."""

    reward_id: str
    customer_id: str
    points: int
    status: str


Pair = tuple[Promise | None, Grant | None]


async def compare(referrals: AsyncConnection, points: AsyncConnection) -> list[Finding]:
    """Return the rewards that were not booked as they were given. Neither connection is in a transaction yet."""
    for each in (referrals, points):
        await each.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    merged = {row.customer_id: row.merged_into for row in await points.execute(text(MERGED))}
    promised = (Promise(*row) async for row in await referrals.stream(text(PROMISED)))
    granted = (Grant(*row) async for row in await points.stream(text(GRANTED)))
    erased = {row.customer_id for each in (referrals, points) for row in await each.execute(text(ERASED))}
    count, rows = 0, []
    async for pair in paired(promised, granted):
        if not any(each is not None and each.customer_id in erased for each in pair) and not agree(
            *pair, merged=merged
        ):
            count += 1
            rows += [_row(*pair)] if count <= SHOWN else []
    states = "rewards in points were booked for their customer, once and as many, and those taken back were taken back"
    return [Finding("rewards-are-granted", states, count, rows)] if rows else []


async def paired(promised: AsyncIterator[Promise], granted: AsyncIterator[Grant]) -> AsyncIterator[Pair]:
    """Bring together what is of one reward; both are sorted by its name."""
    grant = await anext(granted, None)
    async for promise in promised:
        while grant is not None and grant.reward_id < promise.reward_id:
            yield None, grant
            grant = await anext(granted, None)
        if grant is not None and grant.reward_id == promise.reward_id:
            yield promise, grant
            grant = await anext(granted, None)
        else:
            yield promise, None
    while grant is not None:
        yield None, grant
        grant = await anext(granted, None)


def agree(promise: Promise | None, grant: Grant | None, *, merged: Mapping[str, str]) -> bool:
    """Tell whether what was booked is what is owed; `merged` names as whom customers go on."""
    if promise is None:
        return grant is None or grant.status == "awaited"
    if promise.is_on_its_way:
        return True
    if grant is None:
        return promise.status not in BOOKED
    owed = merged.get(promise.customer_id, promise.customer_id), promise.points, BOOKED.get(promise.status)
    return owed == (merged.get(grant.customer_id, grant.customer_id), grant.points, grant.status)


def _row(promise: Promise | None, grant: Grant | None) -> dict[str, object]:
    known = promise or grant
    assert known is not None  # noqa: S101 - one of the two is there
    return {
        "reward_id": known.reward_id,
        "customer_id": known.customer_id,
        "points": None if promise is None else promise.points,
        "reward": None if promise is None else promise.status,
        "granted_to": None if grant is None else grant.customer_id,
        "granted": None if grant is None else grant.points,
        "grant": None if grant is None else grant.status,
    }
