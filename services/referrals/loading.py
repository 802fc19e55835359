"""What a batch needs of the books, locked before it is decided: cards, purchases, customers, offers, partners, sorted inside.

Who is concerned beside those that the batch names (referrers, whoever a merged customer goes on as, where codes are claimed all
who are up the chain) is looked up first and locked with them; where that changed before the locks were had, the batch begins again.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals import pair_loading, terms
from services.referrals.books import DAY, Books
from services.referrals.commands import Request
from services.referrals.programme import Programme
from services.referrals.records import Code, Commission, Customer, Partner, Payout, Purchase, Referral, Refund, Reward
from services.referrals.rules.claims import Counts
from services.referrals.wanted import Wanted
from shared import answers
from shared.columns import SEPARATOR, joined, rows_of
from shared.database import CollisionError, fetch
from shared.documents import BEGINNING
from shared.published import LATEST, Published

KNOWN = f"""
SELECT ({LATEST}) AS version, ARRAY(
    SELECT ARRAY[k.shop_id, k.invoice_number] FROM {rows_of("text", "text")} AS k(shop_id, invoice_number)
      JOIN purchase p ON p.shop_id = k.shop_id AND p.invoice_number = k.invoice_number) AS purchases"""

PURCHASE_COLUMNS = ", ".join(f"p.{each.name}" for each in fields(Purchase))
# the keys lead, in their order, whatever the planner knew of the table when the plan was made
LOCK_PURCHASES = f"""
SELECT found.* FROM {rows_of("text", "text")} AS k(shop_id, invoice_number), LATERAL (
  SELECT {PURCHASE_COLUMNS} FROM purchase p
   WHERE p.shop_id = k.shop_id AND p.invoice_number = k.invoice_number OFFSET 0 FOR UPDATE) found"""

LOCK_PARKED = f"""
SELECT {PURCHASE_COLUMNS} FROM purchase p WHERE status = 'parked' AND card_number = ANY($1::text[])
 ORDER BY shop_id, invoice_number FOR UPDATE"""

LOAD_REFUNDS = f"""
SELECT {", ".join(each.name for each in fields(Refund))} FROM refund
 WHERE (shop_id, invoice_number) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY arrival"""

# a card that nobody knows has no row to lock
LOCK_CARDS = """
SELECT pg_advisory_xact_lock(hashtextextended(card_number, 0)) FROM (
  SELECT unnest($1::text[]) AS card_number ORDER BY 1) AS k"""
LOAD_CARDS = "SELECT card_number, customer_id FROM card WHERE card_number = ANY($1::text[])"
CARDS_OF = "SELECT card_number, customer_id FROM card WHERE customer_id = ANY($1::text[])"

CODE_COLUMNS = ", ".join(Code._fields)
LOAD_CODES = f"SELECT {CODE_COLUMNS} FROM code WHERE code = ANY($1::text[])"
CODES_OF = f"""
SELECT {CODE_COLUMNS} FROM code WHERE customer_id = ANY($1::text[]) AND retired_at IS NULL
 ORDER BY created_at"""

# the names lead, whatever the planner knew of the tables when the plan was made; what is found twice does no harm
CONCERNED = f"""
WITH named AS MATERIALIZED (
    SELECT unnest(string_to_array($1, '{SEPARATOR}')) AS customer_id
     UNION ALL SELECT friend_id FROM referral WHERE referral_id = ANY($2::text[])),
  others AS MATERIALIZED (
    SELECT c.merged_into AS customer_id FROM named n JOIN customer c USING (customer_id) WHERE c.merged_into IS NOT NULL),
  known AS MATERIALIZED (SELECT customer_id FROM named UNION ALL SELECT customer_id FROM others),
  names AS MATERIALIZED (
    SELECT customer_id FROM known
     UNION ALL SELECT c.customer_id FROM known k JOIN customer c ON c.merged_into = k.customer_id)
SELECT r.friend_id AS customer_id, r.referrer_id AS other_id
    FROM names n JOIN referral r ON r.friend_id = n.customer_id AND r.status <> 'rejected'
 UNION ALL SELECT friend_id, referrer_id FROM referral WHERE referral_id = ANY($2::text[])
 UNION ALL SELECT customer_id, NULL FROM others
 UNION ALL SELECT p.* FROM names, LATERAL (
    SELECT referrer_id, friend_id FROM pair WHERE referrer_id = customer_id AND {pair_loading.matters("$3")} OFFSET 0) p
 UNION ALL SELECT p.* FROM names, LATERAL (
    SELECT friend_id, referrer_id FROM pair WHERE friend_id = customer_id AND {pair_loading.matters("$3")} OFFSET 0) p"""
"""Who goes on as whom, whose referral it may be and who recommended the shop to them, and who is one of a pair with whom."""

UP_THE_CHAIN = f"""
WITH RECURSIVE up AS (
  SELECT unnest(string_to_array($1, '{SEPARATOR}')) AS customer_id
   UNION SELECT o.customer_id FROM up u CROSS JOIN LATERAL (
      SELECT merged_into FROM customer WHERE customer_id = u.customer_id AND merged_into IS NOT NULL
       UNION ALL SELECT customer_id FROM customer WHERE merged_into = u.customer_id
       UNION ALL SELECT referrer_id FROM referral
         WHERE friend_id = u.customer_id AND status <> 'rejected' AND referrer_id IS NOT NULL) AS o(customer_id))
SELECT customer_id FROM up"""
"""Every name of everybody who is up the chain of some."""

GOING_ON = (
    "SELECT customer_id, merged_into FROM customer WHERE merged_into IS NOT NULL AND customer_id = ANY($1::text[])"
)

CUSTOMER_COLUMNS = ", ".join(each.name for each in fields(Customer))
LOCK_CUSTOMERS = f"""
SELECT {CUSTOMER_COLUMNS} FROM customer WHERE customer_id = ANY(string_to_array($1, '{SEPARATOR}'))
 ORDER BY customer_id FOR UPDATE"""
MERGED_INTO = f"""
SELECT customer_id, merged_into FROM customer WHERE merged_into = ANY(string_to_array($1, '{SEPARATOR}'))"""

REFERRAL_COLUMNS = ", ".join(each.name for each in fields(Referral))
LOAD_REFERRALS = f"""
SELECT {REFERRAL_COLUMNS} FROM referral WHERE referral_id = ANY($1::text[])
 UNION SELECT {REFERRAL_COLUMNS} FROM referral
  WHERE friend_id = ANY(string_to_array($2, '{SEPARATOR}')) AND status <> 'rejected'"""

SALES = f"SELECT {PURCHASE_COLUMNS} FROM purchase p WHERE customer_id = ANY($1::text[])"

REWARD_COLUMNS = ", ".join("benefit::text" if each.name == "benefit" else each.name for each in fields(Reward))
LOAD_REWARDS = f"""
SELECT {REWARD_COLUMNS} FROM reward WHERE referral_id = ANY($1::text[])
 UNION SELECT {REWARD_COLUMNS} FROM reward WHERE customer_id = ANY($2::text[]) AND rung IS NOT NULL"""

# those that were taken back count too, or a refund would make room
GIVEN = """
SELECT customer_id, month, count(*) AS rewards FROM reward
 WHERE customer_id = ANY($1::text[]) AND side = 'referrer' AND rung IS NULL AND status IN ('given', 'reversed')
 GROUP BY customer_id, month"""
REWARDED = """
SELECT referrer_id, count(*) AS referrals FROM referral
 WHERE referrer_id = ANY($1::text[]) AND status = 'rewarded' GROUP BY referrer_id"""

CLAIMS_ON = """
SELECT referrer_id, count(*) FILTER (WHERE received_at > $2) AS within_day,
    count(*) FILTER (WHERE received_at >= $3) AS within_month
  FROM referral WHERE referrer_id = ANY($1::text[]) AND status <> 'rejected' AND received_at >= least($2, $3)
 GROUP BY referrer_id"""
FROM_ADDRESS = """
SELECT address_hash, count(*) AS claims FROM referral
 WHERE address_hash = ANY($1::bytea[]) AND received_at > $2 GROUP BY address_hash"""

LOCK_PARTNERS = """
SELECT partner_id, name, language, created_at, event_sequence, line_number, paid, paid_through, retired_at FROM partner
 WHERE partner_id = ANY($1::text[]) ORDER BY partner_id FOR UPDATE"""

LOAD_TERMS = """
SELECT partner_id, version, valid_from, document::text AS document FROM partner_terms
 WHERE partner_id = ANY($1::text[]) ORDER BY partner_id, version"""

COMMISSION_COLUMNS = ", ".join(each.name for each in fields(Commission))
LOAD_COMMISSIONS = f"SELECT {COMMISSION_COLUMNS} FROM commission WHERE referral_id = ANY($1::text[])"

BOOKED = f"""
SELECT k.partner_id, k.month, coalesce(sum(l.amount), 0) AS booked FROM {rows_of("text", "date")} AS k(partner_id, month)
  LEFT JOIN statement_line l ON l.partner_id = k.partner_id AND l.month <= k.month GROUP BY 1, 2"""

PAYOUTS = f"""
SELECT {", ".join(f"p.{name}" for name in Payout._fields)} FROM {rows_of("text", "date")} AS k(partner_id, month)
  JOIN payout p ON p.partner_id = k.partner_id AND p.month = k.month"""


async def load(
    connection: AsyncConnection, requests: Sequence[Request], published: Published[Programme], now: dt.datetime
) -> Books:
    """Return the part of the books that the requests touch."""
    wanted = Wanted(command for request in requests for command in request.commands)
    known = (await fetch(connection, KNOWN, *joined(sorted(wanted.purchases), 2)))[0]
    books = Books(now, await published.up_to(connection, known["version"]))
    books.answers = await answers.load(connection, requests)
    await _load_cards(connection, books, wanted)
    if known["purchases"]:
        await _lock_purchases(connection, books, wanted, sorted(map(tuple, known["purchases"])))
    await _load_refunds(connection, books, wanted)
    if wanted.new_cards:
        await _lock_parked(connection, books, wanted)
    _note_claims(books, wanted)
    if wanted.codes:
        await _load_codes(connection, books, wanted)
    if wanted.customers or wanted.referrals or wanted.pairs or wanted.offers:
        await _load_customers(connection, books, wanted)
    await _load_partners(connection, books, wanted)
    return books


async def _load_cards(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    numbers = wanted.cards | wanted.new_cards.keys()
    if not numbers:
        return
    books.cards.update(await fetch(connection, LOAD_CARDS, sorted(numbers)))
    unknown = sorted(numbers - books.cards.keys())
    if unknown:
        # or a purchase would be parked while another transaction learns whose its card is
        await fetch(connection, LOCK_CARDS, unknown)
        books.cards.update(await fetch(connection, LOAD_CARDS, unknown))
    wanted.customers |= {books.cards[number] for number in wanted.cards & books.cards.keys()}


async def _lock_purchases(
    connection: AsyncConnection, books: Books, wanted: Wanted, keys: Sequence[tuple[Any, ...]]
) -> None:
    for row in await fetch(connection, LOCK_PURCHASES, *joined(keys, 2)):
        purchase = Purchase(*row)
        books.purchases[purchase.key] = purchase
        if purchase.customer_id is not None:
            wanted.customers.add(purchase.customer_id)


async def _lock_parked(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    for row in await fetch(connection, LOCK_PARKED, sorted(wanted.new_cards)):
        purchase = books.purchases.setdefault((row["shop_id"], row["invoice_number"]), Purchase(*row))
        books.parked.setdefault(row["card_number"], []).append(purchase)


async def _load_refunds(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    known = {key for key, purchase in books.purchases.items() if purchase.status == "awaited"} | wanted.refunded
    if known:
        shops, invoices = zip(*sorted(known), strict=True)
        for row in await fetch(connection, LOAD_REFUNDS, list(shops), list(invoices)):
            refund = Refund(*row)
            books.refunds[refund.key] = refund


def _note_claims(books: Books, wanted: Wanted) -> None:
    """Add who claims by a card or by a purchase that has waited, and what."""
    owners = {**wanted.new_cards, **books.cards}
    cards = wanted.claiming_cards | {
        number for number, each in books.parked.items() if any(p.referral_code for p in each)
    }
    wanted.claiming |= {owners[number] for number in cards & owners.keys()}
    for key, purchase in books.purchases.items():
        if purchase.referral_code is not None:
            wanted.codes.add(purchase.referral_code)
            if purchase.status == "unclaimed" and key in wanted.buyers:
                wanted.claiming.add(wanted.buyers[key])


async def _load_codes(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    for row in await fetch(connection, LOAD_CODES, sorted(wanted.codes)):
        code = Code(*row)
        books.codes[code.code] = code
        if code.customer_id is not None:
            wanted.customers.add(code.customer_id)


# Customers, and what is known of their referrals


async def _load_customers(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    concerned = await _find_concerned(connection, books, wanted)
    up = await _up_the_chain(connection, books, wanted)
    others = up | {name for row in concerned for name in row if name is not None}
    others |= await pair_loading.both_of(connection, wanted)
    others -= wanted.customers
    going_on = dict(await fetch(connection, GOING_ON, sorted(others)))
    names = wanted.customers.union(others, going_on.values())
    await _lock_customers(connection, books, names)
    await _load_merged(connection, books)
    friends = {row["customer_id"] for row in concerned} | wanted.customers | up
    await _load_referrals(connection, books, wanted, friends, locked=names)
    _check_chain(books, up)
    if books.referrals or wanted.claiming or wanted.merging:
        await _load_what_is_judged(connection, books, wanted)
    await _load_pairs(connection, books, wanted)
    if wanted.coding:
        await _load_codes_of(connection, books, wanted)


async def _find_concerned(connection: AsyncConnection, books: Books, wanted: Wanted) -> Sequence[asyncpg.Record]:
    """Return who is concerned beside the customers that the batch names, each with the other of a referral or a pair."""
    heard = [each.occurred_at for each in books.purchases.values() if each.occurred_at is not None]
    wanted.since = min([wanted.since, *heard])
    named = SEPARATOR.join(sorted(wanted.customers))
    return await fetch(connection, CONCERNED, named, sorted(wanted.referrals), wanted.since)


async def _up_the_chain(connection: AsyncConnection, books: Books, wanted: Wanted) -> set[str]:
    """Return who is up the chain of those who are merged, or whose codes are claimed: a circle may be closed there."""
    below = wanted.merging | (_owners(books) | wanted.coding if wanted.claiming else set())
    if not below:
        return set()
    return {row["customer_id"] for row in await fetch(connection, UP_THE_CHAIN, SEPARATOR.join(sorted(below)))}


def _check_chain(books: Books, up: set[str]) -> None:
    """Raise `CollisionError` where the chain has grown: only who is locked can be judged, or two would close a circle."""
    chain = {books.customers[name].customer_id for name in up & books.customers.keys()}
    for name in chain:
        referral = books.live.get(name)
        referrer = None if referral is None else referral.referrer_id
        if referrer is not None and books.customers[referrer].customer_id not in chain:
            raise CollisionError("a claim was made up the chain while the locks were waited for")


def _owners(books: Books) -> set[str]:
    return {each.customer_id for each in books.codes.values() if each.customer_id is not None}


async def _load_codes_of(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    for row in await fetch(connection, CODES_OF, _all_names(books, wanted.coding)):
        code = Code(*row)
        owner = books.customer(code.customer_id or "").customer_id
        books.codes_of.setdefault(owner, {}).setdefault(code.kind, code)


async def _lock_customers(connection: AsyncConnection, books: Books, names: set[str]) -> None:
    rows = await fetch(connection, LOCK_CUSTOMERS, SEPARATOR.join(sorted(names)))
    found = {row[0]: Customer(*row) for row in rows}
    books.customers.update(found)
    for customer in found.values():
        if customer.merged_into is not None:
            target = found.get(customer.merged_into)
            if target is None:
                raise CollisionError("a customer was merged while the locks were waited for")
            books.customers[customer.customer_id] = target


async def _load_merged(connection: AsyncConnection, books: Books) -> None:
    """Note under which other names customers are known; only few ever were merged."""
    targets = {each.customer_id for each in books.customers.values()}
    for row in await fetch(connection, MERGED_INTO, SEPARATOR.join(targets)):
        books.merged.setdefault(row["merged_into"], []).append(row["customer_id"])
        books.customers[row["customer_id"]] = books.customers[row["merged_into"]]


def _all_names(books: Books, names: Iterable[str]) -> list[str]:
    """Return names with all others of the same customers."""
    customers = books.customers
    targets = {customers[name].customer_id if name in customers else name for name in names}
    return [*targets, *(other for target in targets & books.merged.keys() for other in books.merged[target])]


async def _load_referrals(
    connection: AsyncConnection, books: Books, wanted: Wanted, friends: set[str], *, locked: set[str]
) -> None:
    names, known = SEPARATOR.join(_all_names(books, friends)), locked | books.customers.keys()
    for row in await fetch(connection, LOAD_REFERRALS, sorted(wanted.referrals), names):
        referral = Referral(*row)
        if not known >= {referral.friend_id, referral.referrer_id or referral.friend_id}:
            raise CollisionError("a claim was made while the locks were waited for")
        books.referrals[referral.referral_id] = referral
        if referral.is_live:
            books.live[books.customer(referral.friend_id).customer_id] = referral


async def _load_what_is_judged(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    live = list(books.live.values())
    owners = _owners(books)
    friends = {each.friend_id for each in live} | wanted.claiming | wanted.merging
    referrers = {each.referrer_id for each in live if each.referrer_id is not None} | owners | wanted.merging
    await _load_sales(connection, books, friends)
    await _load_rewards(connection, books, referrers)
    if wanted.claiming:
        await _load_for_claims(connection, books, wanted, friends | owners, owners | wanted.merging)


async def _load_pairs(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    members = await pair_loading.load(connection, books, wanted, _all_names(books, wanted.customers))
    if members:
        await _load_sales(connection, books, members)
    if wanted.pairing:
        await _load_cards_of(connection, books, members | wanted.pairing)


async def _load_sales(connection: AsyncConnection, books: Books, friends: Iterable[str]) -> None:
    names = _all_names(books, friends)
    for name in names:
        books.sales.setdefault(books.customers[name].customer_id if name in books.customers else name, {})
    for row in await fetch(connection, SALES, names):
        purchase = Purchase(*row)
        # one that the batch names is locked, and changes with it
        purchase = books.purchases.setdefault(purchase.key, purchase)
        buyer = books.customers.get(purchase.customer_id or "")
        if buyer is None:
            raise CollisionError("a first purchase was heard while the locks were waited for")
        books.sales[buyer.customer_id][purchase.key] = purchase


async def _load_rewards(connection: AsyncConnection, books: Books, referrers: Iterable[str]) -> None:
    names = _all_names(books, referrers)
    for row in await fetch(connection, LOAD_REWARDS, sorted(books.referrals), names):
        reward = Reward(*row)
        if reward.rung is None:
            books.rewards[reward.referral_id][reward.reward_id] = reward
        else:
            books.ladder[books.customer(reward.customer_id).customer_id][reward.reward_id] = reward
    for name, month, count in await fetch(connection, GIVEN, names):
        books.given[books.customer(name).customer_id, month] += count
    for name, count in await fetch(connection, REWARDED, names):
        books.rewarded[books.customer(name).customer_id] += count


async def _load_cards_of(connection: AsyncConnection, books: Books, people: Iterable[str]) -> None:
    for number, name in await fetch(connection, CARDS_OF, _all_names(books, people)):
        books.cards_of[books.customer(name).customer_id].add(number)


async def _load_for_claims(
    connection: AsyncConnection, books: Books, wanted: Wanted, people: Iterable[str], owners: Iterable[str]
) -> None:
    await _load_cards_of(connection, books, people)
    month = books.programme.month(books.now)
    begins = dt.datetime.combine(month, dt.time(), books.programme.zone)
    for name, day, in_month in await fetch(connection, CLAIMS_ON, _all_names(books, owners), books.now - DAY, begins):
        owner = books.customer(name).customer_id
        more = Counts(within_day=day, within_month=in_month)
        books.counts[owner] = books.counts.get(owner, Counts()).plus(more)
    if wanted.addresses:
        since = books.now - dt.timedelta(days=books.programme.address_window_days)
        books.from_address.update(await fetch(connection, FROM_ADDRESS, sorted(wanted.addresses), since))


# Partners, and what their referrals earn


async def _load_partners(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    """Lock the partners whose codes or referrals are touched: what their friends do is theirs too."""
    of_codes = {each.partner_id for each in books.codes.values() if each.partner_id is not None}
    recommended = [each for each in books.referrals.values() if each.partner_id is not None]
    names = wanted.partners | of_codes | {each.partner_id for each in recommended if each.partner_id is not None}
    if not names:
        return
    await _lock_partners(connection, books, sorted(names))
    for row in await fetch(connection, LOAD_COMMISSIONS, [each.referral_id for each in recommended]):
        commission = Commission(*row)
        books.commissions[commission.referral_id][commission.key] = commission
    if wanted.paying:
        places = joined(sorted(wanted.paying), 2)
        books.booked.update({tuple(place): booked for *place, booked in await fetch(connection, BOOKED, *places)})
        payouts = [Payout(*row) for row in await fetch(connection, PAYOUTS, *places)]
        books.payouts.update({(each.partner_id, each.month): each for each in payouts})


async def _lock_partners(connection: AsyncConnection, books: Books, names: list[str]) -> None:
    rows = await fetch(connection, LOCK_PARTNERS, names)
    versions: dict[str, list[terms.Version]] = {}
    for partner_id, number, valid_from, document in await fetch(connection, LOAD_TERMS, names):
        # a claim that is older than the partner is judged by the first terms
        since = BEGINNING if number == 1 else valid_from
        set_then = terms.Terms.model_validate_json(document)
        version = terms.Version(version=number, valid_from=since, programme=set_then)
        versions.setdefault(partner_id, []).append(version)
    for partner_id, name, language, *rest in rows:
        books.partners[partner_id] = Partner(partner_id, name, language, terms.Versions(versions[partner_id]), *rest)
