"""What a batch needs of pairs and offers: after customers, and with both of every pair locked, offers are."""

from collections.abc import Iterable
from dataclasses import fields

from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.books import Books
from services.referrals.offers import Offer
from services.referrals.records import Listing, Pair, PairReward
from services.referrals.wanted import Wanted
from shared.columns import SEPARATOR
from shared.database import CollisionError, fetch

PAIR_COLUMNS = ", ".join("benefit::text" if name == "benefit" else name for name in Pair._fields)


def matters(since: str) -> str:
    """Return SQL for a pair that may change by what was bought `since` then.

    What ended with nothing counts again where something is heard that was bought before its end.
    """
    return f"accepted_at IS NOT NULL AND status <> 'cancelled' AND (status <> 'expired' OR expires_at > {since})"


BOTH = "SELECT referrer_id, friend_id FROM pair WHERE pair_id = ANY($1::text[])"

MATTERS = matters("$3")
LOAD_PAIRS = f"""
SELECT {PAIR_COLUMNS} FROM pair WHERE referrer_id = ANY(string_to_array($1, '{SEPARATOR}')) AND {MATTERS}
 UNION SELECT {PAIR_COLUMNS} FROM pair WHERE friend_id = ANY(string_to_array($1, '{SEPARATOR}')) AND {MATTERS}
 UNION SELECT {PAIR_COLUMNS} FROM pair WHERE pair_id = ANY($2::text[])"""

LOAD_REWARDS = f"""
SELECT {", ".join(f"r.{each.name}" for each in fields(PairReward))} FROM pair_reward r
  JOIN pair p ON p.pair_id = r.pair_id AND p.round = r.round
 WHERE p.pair_id = ANY($1::text[]) AND p.status = 'completed'"""

LOCK_OFFERS = """
SELECT offer_id, document::text, created_at, reserved, retired_at FROM offer
 WHERE offer_id = ANY($1::text[]) ORDER BY offer_id FOR UPDATE"""

COUNTS = "(status = 'completed' OR status IN ('invited', 'accepted') AND expires_at > $2)"
PAIRS_OF = f"""
SELECT customer_id, offer_id, count(*) AS pairs FROM (
  SELECT referrer_id AS customer_id, offer_id FROM pair WHERE referrer_id = ANY($1::text[]) AND {COUNTS}
   UNION ALL
  SELECT friend_id, offer_id FROM pair WHERE friend_id = ANY($1::text[]) AND accepted_at IS NOT NULL AND {COUNTS}) p
 GROUP BY customer_id, offer_id"""
MOST_PAIRS = """
SELECT offer_id, max(pairs) AS pairs FROM (
  SELECT offer_id, coalesce(c.merged_into, p.customer_id) AS customer_id, count(*) AS pairs FROM (
    SELECT offer_id, referrer_id AS customer_id FROM pair
     WHERE offer_id = ANY($1::text[]) AND status IN ('invited', 'accepted', 'completed')
     UNION ALL
    SELECT offer_id, friend_id FROM pair WHERE offer_id = ANY($1::text[]) AND status IN ('accepted', 'completed')) p
    LEFT JOIN customer c USING (customer_id) GROUP BY 1, 2) counted
 GROUP BY offer_id"""


async def both_of(connection: AsyncConnection, wanted: Wanted) -> set[str]:
    """Return who is one of the pairs that the batch names."""
    rows = await fetch(connection, BOTH, sorted(wanted.pairs)) if wanted.pairs else ()
    return {name for row in rows for name in row if name is not None}


async def load(connection: AsyncConnection, books: Books, wanted: Wanted, names: list[str]) -> set[str]:
    """Load the pairs of customers under all their `names`, and lock their offers. Returns whose purchases are judged."""
    for row in await fetch(connection, LOAD_PAIRS, SEPARATOR.join(names), sorted(wanted.pairs), wanted.since):
        _add(books, Pair(*row))
    await _lock_offers(connection, books, wanted)
    if not books.pairs and not wanted.pairing:
        return set()
    members = {name for each in books.pairs.values() for name in _both(each)} | wanted.pairing
    await _count(connection, books, members)
    for row in await fetch(connection, LOAD_REWARDS, sorted(books.pairs)):
        reward = PairReward(*row)
        books.pair_rewards[reward.pair_id][reward.reward_id] = reward
    return members


def _add(books: Books, pair: Pair) -> None:
    both = _both(pair)
    if not books.customers.keys() >= set(both):
        raise CollisionError("a pair was accepted while the locks were waited for")
    books.pairs[pair.pair_id] = pair
    if pair.accepted_at is not None:
        for name in both:
            books.pairs_of[books.customer(name).customer_id].add(pair.pair_id)


def _both(pair: Pair) -> list[str]:
    return [name for name in (pair.referrer_id, pair.friend_id) if name is not None]


async def _lock_offers(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    """Lock what pairs may take a place of: those that are named, and those that are over though more of their time is heard."""
    over = [each for each in books.pairs.values() if wanted.since < each.expires_at <= books.now]
    offers = wanted.offers | {each.offer_id for each in over}
    offers |= {books.pairs[name].offer_id for name in wanted.pairs & books.pairs.keys()}
    if offers:
        for offer_id, document, *rest in await fetch(connection, LOCK_OFFERS, sorted(offers)):
            books.offers[offer_id] = Listing(offer_id, Offer.model_validate_json(document), *rest)
    if wanted.changing:
        books.most_pairs.update(await fetch(connection, MOST_PAIRS, sorted(wanted.changing)))


async def _count(connection: AsyncConnection, books: Books, members: Iterable[str]) -> None:
    known = (books.customers[name] for name in members if name in books.customers)
    names = sorted({name for customer in known for name in books.names(customer)})
    for name, offer_id, pairs in await fetch(connection, PAIRS_OF, names, books.now):
        books.pair_counts[books.customer(name).customer_id, offer_id] += pairs
