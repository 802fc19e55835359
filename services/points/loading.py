"""What a batch needs of the books, locked before it is decided, in the order that the ledger says."""

import datetime as dt
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import fields
from decimal import Decimal

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.books import Books, is_due
from services.points.catalogue import Reward
from services.points.commands import Request
from services.points.programme import Campaign, Programme, Tiers, Version, Versions
from services.points.records import (
    Account,
    ActionGiven,
    Adjustment,
    Grant,
    Listing,
    Purchase,
    RedeemedLot,
    Redemption,
    Refund,
    RewardClaim,
)
from services.points.rules import tiers
from services.points.rules.earning import Use
from services.points.rules.lots import Lot
from services.points.rules.tiers import Counts
from services.points.wanted import Wanted
from shared import answers
from shared.columns import SEPARATOR, joined, rows_of
from shared.database import fetch

REVEALED = "SELECT count(*) FROM draw_secret WHERE revealed_at IS NOT NULL"

KNOWN = f"""
WITH k AS MATERIALIZED (
  SELECT * FROM {rows_of("text", "text", "text", "text")} AS k(shop_id, invoice_number, source, id))
SELECT (SELECT max(version) FROM programme) AS version, ({REVEALED}) AS revealed,
  ARRAY(SELECT ARRAY[k.source, k.id] FROM k JOIN event e ON e.source = k.source AND e.id = k.id) AS heard,
  ARRAY(SELECT ARRAY[k.shop_id, k.invoice_number] FROM k
    JOIN purchase p ON p.shop_id = k.shop_id AND p.invoice_number = k.invoice_number) AS booked"""

PURCHASE_COLUMNS = """shop_id, invoice_number, received_at, status, customer_id, card_number, currency, total, shipping,
  gift_cards, points_paid, promoted, occurred_at, points, entry_sequence, award::text, refunded, refunded_eligible,
  refunded_points_paid, clawed_back, clawed_back_expired, document::text, recorded_by,
  sample::text, redeemed, unpaid, restored, settled"""

LOCK_PURCHASES = f"""
SELECT {PURCHASE_COLUMNS} FROM purchase
 WHERE (shop_id, invoice_number) IN (SELECT * FROM unnest($1::text[], $2::text[]))
 ORDER BY shop_id, invoice_number FOR UPDATE"""

LOCK_PARKED = f"""
SELECT {PURCHASE_COLUMNS} FROM purchase WHERE status = 'parked' AND card_number = ANY($1::text[])
 ORDER BY shop_id, invoice_number FOR UPDATE"""

LOAD_REFUNDS = """
SELECT shop_id, invoice_number, refund_id, currency, amount, shipping, gift_cards, points_paid, kind, occurred_at,
  received_at, customer_id, status, points_paid_part, points, points_expired, entry_sequence, refused_code, arrival
  FROM refund WHERE (shop_id, invoice_number) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY arrival"""

LOAD_CARDS = "SELECT card_number, customer_id FROM card WHERE card_number = ANY($1::text[])"
LOCK_CARDS = LOAD_CARDS + " ORDER BY card_number FOR UPDATE"

ACCOUNT_COLUMNS = tuple(each.name for each in fields(Account))
"""In the order in which a row makes an `Account`."""

LOCK_ACCOUNTS = f"""
SELECT {", ".join(ACCOUNT_COLUMNS)}
  FROM account WHERE customer_id = ANY(string_to_array($1, '{SEPARATOR}')) ORDER BY customer_id FOR UPDATE"""

HOUSEHOLDS = """
SELECT m.customer_id FROM account n JOIN account a ON a.customer_id = coalesce(n.merged_into, n.customer_id)
  JOIN account m ON m.pool_id = a.pool_id WHERE n.customer_id = ANY($1::text[])
 UNION ALL SELECT customer_id FROM account WHERE pool_id = ANY($2::text[])"""

SERIALS_AT_ONCE = 100
NEXT_SERIALS = "SELECT nextval('card_serial') FROM generate_series(1, $1::int)"

# a lot that has expired may have to meet a clawback yet
LOT_COLUMNS = """customer_id, sequence, points, remaining, pending, available_at, expires_on, expires_at, lapses, expired,
  announced, graced, origin_customer_id, origin_sequence"""
LOAD_LOTS = f"""
SELECT {LOT_COLUMNS} FROM lot WHERE customer_id = ANY($1::text[]) AND (remaining > 0 OR expired > 0)
 ORDER BY customer_id, sequence"""

# those that redemptions emptied may get points back
LOAD_REDEEMED_LOTS = f"""
SELECT {LOT_COLUMNS} FROM lot WHERE remaining = 0 AND expired = 0 AND (customer_id, sequence) IN (
  SELECT * FROM unnest($1::text[], $2::bigint[])) ORDER BY customer_id, sequence"""

REDEMPTION_COLUMNS = """redemption_id, customer_id, points, sequence, status, created_at, hold_until, held, captured, restored,
  shop_id, invoice_number, paid_purchase, claim_id"""
REDEEMERS = "SELECT DISTINCT customer_id FROM redemption WHERE redemption_id = ANY($1::text[])"
PAYERS = """
SELECT redemption_id, customer_id FROM redemption
 WHERE paid_purchase AND (shop_id, invoice_number) IN (SELECT * FROM unnest($1::text[], $2::text[]))"""

# an index each
LOAD_REDEMPTIONS = f"""
SELECT {REDEMPTION_COLUMNS} FROM redemption WHERE redemption_id = ANY($1::text[])
 UNION SELECT {REDEMPTION_COLUMNS} FROM redemption WHERE held > 0 AND customer_id = ANY($2::text[])"""

LOAD_PARTS = """
SELECT redemption_id, lot_sequence, held, captured, restored FROM redemption_lot
 WHERE (customer_id, redemption_id) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY lot_sequence"""

LOAD_MERGED = "SELECT customer_id, merged_into FROM account WHERE merged_into = ANY($1::text[])"

LOAD_DEBTS = """
SELECT e.customer_id, e.sequence, -e.points - coalesce(a.points, 0) AS missing
  FROM entry e LEFT JOIN LATERAL (
    SELECT sum(points)::bigint AS points FROM allocation
     WHERE customer_id = e.customer_id AND debit_sequence = e.sequence) a ON true
 WHERE e.customer_id = ANY($1::text[]) AND e.points < 0 AND e.kind <> 'hold' AND -e.points > coalesce(a.points, 0)
 ORDER BY e.customer_id, e.sequence"""

COUNT = """
SELECT customer_id, coalesce(sum({what}) FILTER (WHERE "on" >= $2), 0), coalesce(sum({what}) FILTER (WHERE "on" < $2), 0)
  FROM progress WHERE customer_id = ANY($1::text[]) AND "on" >= $3 GROUP BY customer_id"""

DAYS = 'SELECT customer_id, "on", {what} FROM progress WHERE customer_id = ANY($1::text[]) AND "on" >= $2'

LOAD_USES = """
SELECT customer_id, campaign, points, awards FROM campaign_use
 WHERE customer_id = ANY($1::text[]) AND campaign = ANY($2::text[])"""

LOCK_BUDGETS = """
SELECT campaign, points, awards FROM campaign_budget WHERE campaign = ANY($1::text[]) ORDER BY campaign FOR UPDATE"""

CLAIM_COLUMNS = tuple(each.name for each in fields(RewardClaim))
"""In the order in which a row makes a `RewardClaim`."""

NAMED_CLAIMS = "WHERE claim_id = ANY($1::text[]) OR code = ANY($2::text[])"
CLAIMED = f"SELECT redemption_id, customer_id, reward_id FROM reward_claim {NAMED_CLAIMS}"
LOAD_CLAIMS = f"SELECT {', '.join(CLAIM_COLUMNS)} FROM reward_claim {NAMED_CLAIMS}"

LOCK_REWARDS = """
SELECT reward_id, document::text, created_at, claimed, retired_at FROM reward WHERE reward_id = ANY($1::text[])
 ORDER BY reward_id FOR UPDATE"""

LIVE_CLAIMS = """
SELECT owner, reward_id, count(*) AS claims FROM (
    SELECT unnest($1::text[]) AS owner, unnest($1::text[]) AS customer_id
    UNION ALL SELECT merged_into, customer_id FROM account WHERE merged_into = ANY($1::text[])) a
  JOIN reward_claim USING (customer_id)
 WHERE reward_id = ANY($2::text[]) AND status <> 'cancelled' GROUP BY 1, 2"""

ADJUSTMENT_COLUMNS = ", ".join(f'"{each.name}"' for each in fields(Adjustment))
"""In the order in which a row makes an `Adjustment`."""

LOCK_ADJUSTMENTS = f"""
SELECT {ADJUSTMENT_COLUMNS} FROM adjustment WHERE adjustment_id = ANY($1::text[]) ORDER BY adjustment_id FOR UPDATE"""

LOCK_GRANTS = f"""
SELECT {", ".join(each.name for each in fields(Grant))} FROM points_grant
 WHERE (source, reward_id) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY source, reward_id FOR UPDATE"""

# there before it is locked, or two that are the first of the day would both find nothing
OPEN_CREDIT_DAYS = """
INSERT INTO credit_day (actor, "on") SELECT actor, $2::date FROM unnest($1::text[]) AS actor ORDER BY actor
ON CONFLICT DO NOTHING"""
LOCK_CREDIT_DAYS = """
SELECT actor, points FROM credit_day WHERE actor = ANY($1::text[]) AND "on" = $2 ORDER BY actor FOR UPDATE"""

# also what was given to accounts before they were merged; of two the first counts
LOAD_ACTIONS = """
SELECT coalesce(a.merged_into, a.customer_id) AS owner, g.customer_id, g.action, g.points, g.entry_sequence,
  g.programme_version, g.occurred_at, g.reference
  FROM account a JOIN action_given g USING (customer_id)
 WHERE a.customer_id = ANY($1::text[]) OR a.merged_into = ANY($1::text[]) ORDER BY g.occurred_at DESC"""

# whoever knows a secret could say that a purchase of a number that wins was made while it was one
LOAD_SECRETS = "SELECT campaign, secret FROM draw_secret WHERE revealed_at IS NULL"

LATEST = f"SELECT max(version) AS version, ({REVEALED}) AS revealed FROM programme"
LOAD_PROGRAMMES = "SELECT version, valid_from, document::text AS document FROM programme ORDER BY version"


class Loader:
    """Loads and locks; keeps nothing but the published programmes it has read, and a hand full of card serials."""

    def __init__(self) -> None:
        self._versions: Versions | None = None
        self._secrets: dict[str, bytes] = {}
        self._latest = 0, 0
        self._serials: deque[int] = deque()

    async def load(self, connection: AsyncConnection, requests: Sequence[Request], now: dt.datetime) -> Books:
        """Return the part of the books that the requests touch."""
        wanted = Wanted(command for request in requests for command in request.commands)
        known = (await fetch(connection, KNOWN, *joined(wanted.keys, 4)))[0]
        books = Books(now, await self._versions_up_to(connection, known), deque())
        books.secrets = self._secrets
        books.events.update(map(tuple, known["heard"]))
        books.answers = await answers.load(connection, requests)
        if known["booked"]:
            await _lock_purchases(connection, books, wanted, set(map(tuple, known["booked"])))
        await _load_cards(connection, books, wanted)
        if wanted.claims or wanted.codes:
            await _find_claims(connection, wanted)
        if wanted.redemptions:
            wanted.redeemers.update(row[0] for row in await fetch(connection, REDEEMERS, sorted(wanted.redemptions)))
        if wanted.spenders or wanted.pools:
            await _find_households(connection, wanted)
        if wanted.adjustments or wanted.grants:
            await _lock_credits(connection, books, wanted)
        if wanted.customers or wanted.redeemers:
            await self._load_accounts(connection, books, wanted)
        if books.versions.capped_campaigns and wanted.awards:
            await _load_campaigns(connection, books, wanted)
        if wanted.rewards:
            await _load_rewards(connection, books, wanted)
        await _load_given(connection, books, wanted)
        return books

    def give_back(self, books: Books) -> None:
        """Keep the serials that a batch did not need."""
        self._serials.extend(books.serials)

    async def versions(self, connection: AsyncConnection) -> Versions:
        """Return the published programmes as this transaction sees them."""
        return await self._versions_up_to(connection, (await fetch(connection, LATEST))[0])

    async def _versions_up_to(self, connection: AsyncConnection, known: asyncpg.Record) -> Versions:
        latest = known["version"], known["revealed"]
        if self._versions is None or self._latest != latest:
            versions = await _load_versions(connection)
            self._secrets = dict(await fetch(connection, LOAD_SECRETS)) if versions.drawn_campaigns else {}
            self._versions, self._latest = versions, latest
        return self._versions

    async def _load_accounts(self, connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
        wanted.customers |= wanted.redeemers
        await _lock_accounts(connection, books, wanted.customers)
        unknown = len(wanted.customers - books.accounts.keys())
        books.serials.extend(await self._draw_serials(connection, unknown + wanted.new_cards))
        accounts = {account.customer_id: account for account in books.accounts.values()}
        due = {each.customer_id for each in accounts.values() if is_due(each, books.now, books.outdated)}
        debited = (wanted.debited | wanted.refunded_buyers(books.cards) | wanted.redeemers) & books.accounts.keys()
        targets = {books.accounts[each].customer_id for each in debited}
        # whoever is erased may have been merged in this very batch: of everybody all names are there, and all holds
        named = (
            accounts.keys()
            if wanted.erased
            else {books.accounts[each].customer_id for each in debited - accounts.keys()}
        )
        went_on = sorted(named)
        if went_on:
            await _load_merged(connection, books, went_on)
        # the lots of accounts that were merged tell what of them had expired before
        with_lots = due | debited | targets | {name for names in books.merged.values() for name in names}
        if with_lots:
            await _load_lots(connection, books, sorted(with_lots))
        holding = due | (with_lots if wanted.erased else set())
        if wanted.redemptions or holding:
            await _load_redemptions(connection, books, wanted.redemptions, holding)
        owing = sorted(account.customer_id for account in accounts.values() if account.available < 0)
        if owing:
            for row in await fetch(connection, LOAD_DEBTS, owing):
                books.debts.setdefault(row["customer_id"], []).append((row["sequence"], row["missing"]))
        if books.programme.tiers is not None:
            await _load_counts(connection, books, sorted(accounts))
            await _load_days(connection, books, books.programme.tiers, [accounts[each] for each in due])

    async def _draw_serials(self, connection: AsyncConnection, wanted: int) -> list[int]:
        """Return serials for so many new cards; those of a process that ends are lost, as of one rolled back."""
        while len(self._serials) < wanted:
            missing = wanted - len(self._serials)
            for row in await fetch(connection, NEXT_SERIALS, -(-missing // SERIALS_AT_ONCE)):
                self._serials.extend(range(row[0], row[0] + SERIALS_AT_ONCE))
        # taken before anything else is awaited: batches of other partitions draw from the same hand
        return [self._serials.popleft() for _ in range(wanted)]


async def _load_versions(connection: AsyncConnection) -> Versions:
    rows = await fetch(connection, LOAD_PROGRAMMES)
    return Versions(
        [
            Version(
                version=row["version"],
                valid_from=row["valid_from"],
                programme=Programme.model_validate_json(row["document"]),
            )
            for row in rows
        ]
    )


async def _lock_purchases(
    connection: AsyncConnection, books: Books, wanted: Wanted, keys: set[tuple[str, str]]
) -> None:
    shops, invoices = zip(*sorted(keys), strict=True)
    for row in await fetch(connection, LOCK_PURCHASES, shops, invoices):
        purchase = _purchase(row)
        books.purchases[purchase.key] = purchase
        if purchase.customer_id is not None:
            wanted.customers.add(purchase.customer_id)
        if purchase.card_number is not None:
            wanted.cards.add(purchase.card_number)
        if purchase.status != "booked":
            # the day of the first counts, whatever a repeat says
            wanted.awards.append(purchase.occurred_at)
        wanted.add_payment(purchase)
    await _load_refunds(connection, books, wanted, keys)


async def _load_refunds(connection: AsyncConnection, books: Books, wanted: Wanted, keys: set[tuple[str, str]]) -> None:
    """Load the refunds of purchases that are refunded, claimed or awaited, and note who may be debited for them."""
    needed = [key for key in keys if key in wanted.refunded or books.purchases[key].status != "booked"]
    if not needed:
        return
    shops, invoices = zip(*needed, strict=True)
    for row in await fetch(connection, LOAD_REFUNDS, shops, invoices):
        refund = Refund(**dict(row))
        books.refunds[refund.key] = refund
        if refund.status == "waiting":
            books.waiting.setdefault((refund.shop_id, refund.invoice_number), []).append(refund)
    if any(books.purchases[key].redeemed for key in needed):
        for redemption_id, customer_id in await fetch(connection, PAYERS, shops, invoices):
            wanted.redemptions.add(redemption_id)
            wanted.redeemers.add(customer_id)
    wanted.refunded.update(needed)
    wanted.debited.update(owner for key in needed if (owner := books.purchases[key].customer_id) is not None)


async def _load_cards(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    if not wanted.cards:
        return
    numbers = sorted(wanted.cards)
    books.cards = dict(await fetch(connection, LOAD_CARDS, numbers))
    unowned = [number for number, owner in books.cards.items() if owner is None]
    if unowned:
        books.cards.update(await fetch(connection, LOCK_CARDS, sorted(unowned)))
        books.awaited_cards.update(unowned)
    wanted.customers.update(owner for owner in books.cards.values() if owner is not None)
    awaited = [number for number in unowned if number in wanted.enrolled_cards]
    if not awaited:
        return
    parked = [_purchase(row) for row in await fetch(connection, LOCK_PARKED, awaited)]
    for purchase in parked:
        books.purchases[purchase.key] = purchase
        books.parked.setdefault(purchase.card_number or "", []).append(purchase)
        wanted.awards.append(purchase.occurred_at)
        wanted.add_payment(purchase)
    if parked:
        await _load_refunds(connection, books, wanted, {purchase.key for purchase in parked})


async def _lock_accounts(connection: AsyncConnection, books: Books, customers: set[str]) -> None:
    """Lock accounts, and those that they were merged into; an id that was merged then names the other account."""
    merged: dict[str, str] = {}
    for row in await fetch(connection, LOCK_ACCOUNTS, SEPARATOR.join(sorted(customers))):
        if row["merged_into"] is None:
            books.accounts[row[0]] = Account(*row)
        else:
            merged[row[0]] = row["merged_into"]
    missing = set(merged.values()) - books.accounts.keys()
    if missing:
        for row in await fetch(connection, LOCK_ACCOUNTS, SEPARATOR.join(sorted(missing))):
            books.accounts[row[0]] = Account(*row)
    for name, target in merged.items():
        books.accounts[name] = books.accounts[target]
    books.erased.update(name for name, account in books.accounts.items() if account.status == "erased")


async def _find_households(connection: AsyncConnection, wanted: Wanted) -> None:
    """Note whose points may be spent together; who has left meanwhile is told by the account once it is locked."""
    rows = await fetch(connection, HOUSEHOLDS, sorted(wanted.spenders), sorted(wanted.pools))
    members = {row["customer_id"] for row in rows}
    wanted.customers |= members
    wanted.debited |= members


async def _load_merged(connection: AsyncConnection, books: Books, targets: list[str]) -> None:
    for customer_id, target in await fetch(connection, LOAD_MERGED, targets):
        books.merged.setdefault(target, []).append(customer_id)


async def _load_lots(connection: AsyncConnection, books: Books, customers: list[str]) -> None:
    for customer in customers:
        books.lots[customer] = []
    for row in await fetch(connection, LOAD_LOTS, customers):
        books.lots[row["customer_id"]].append(_lot(row))


def _lot(row: asyncpg.Record) -> Lot:
    lot = Lot(*row[1:11])
    lot.graced = row["graced"]
    if row["origin_customer_id"] is not None:
        lot.origin = row["origin_customer_id"], row["origin_sequence"]
    return lot


async def _load_redemptions(connection: AsyncConnection, books: Books, wanted: set[str], holding: set[str]) -> None:
    """Load redemptions with their lots, and all open holds of accounts on which something is due, or that end."""
    for row in await fetch(connection, LOAD_REDEMPTIONS, sorted(wanted), sorted(holding)):
        books.redemptions[row["redemption_id"]] = Redemption(*row)
    keys = [(each.customer_id, each.redemption_id) for each in books.redemptions.values()]
    if not keys:
        return
    for redemption_id, *part in await fetch(connection, LOAD_PARTS, *zip(*keys, strict=True)):
        books.redemptions[redemption_id].lots.append(RedeemedLot(*part))
    taken = sorted({(each.customer_id, part.lot_sequence) for each in books.redemptions.values() for part in each.lots})
    for row in await fetch(connection, LOAD_REDEEMED_LOTS, *zip(*taken, strict=True)):
        books.lots.setdefault(row["customer_id"], []).append(_lot(row))


async def _load_counts(connection: AsyncConnection, books: Books, customers: list[str]) -> None:
    levels = books.programme.tiers
    if levels is None:
        return
    since, before = tiers.window(levels, books.today)
    for customer_id, now, earlier in await fetch(
        connection, COUNT.format(what=levels.counts), customers, since, before
    ):
        books.counts[customer_id] = Counts(now, earlier)


async def _load_days(connection: AsyncConnection, books: Books, levels: Tiers, accounts: Iterable[Account]) -> None:
    """Load what counts for reviews that are late or told ahead: their windows are not those of today."""
    told_until = books.today + dt.timedelta(days=levels.announce_days)
    reviews = {each.customer_id: on for each in accounts if (on := each.tier_review_on) is not None}
    other = {name: on for name, on in reviews.items() if on <= told_until and on != books.today}
    if not other:
        return
    books.days.update({customer_id: [] for customer_id in other})
    _, since = tiers.window(levels, min(other.values()))
    for customer_id, on, amount in await fetch(connection, DAYS.format(what=levels.counts), sorted(other), since):
        books.days[customer_id].append((on, Decimal(amount)))


async def _load_campaigns(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    """Load what capped campaigns gave to these customers, and lock the budgets that these purchases may draw on."""
    customers = sorted({account.customer_id for account in books.accounts.values()})
    if customers:
        for row in await fetch(connection, LOAD_USES, customers, sorted(books.versions.capped_campaigns)):
            books.uses.setdefault(row[0], {})[row[1]] = Use(row[2], row[3])
    budgets = sorted({name for instant in wanted.awards for name in _budgets_at(books.versions, instant)})
    if budgets:
        for row in await fetch(connection, LOCK_BUDGETS, budgets):
            books.budgets[row[0]] = Use(row[1], row[2])


async def _find_claims(connection: AsyncConnection, wanted: Wanted) -> None:
    """Note whose claims are named, what paid for them and of which rewards they are; none of that ever changes."""
    for row in await fetch(connection, CLAIMED, sorted(wanted.claims), sorted(wanted.codes)):
        redemption_id, customer_id, reward_id = row
        wanted.redemptions.add(redemption_id)
        wanted.redeemers.add(customer_id)
        wanted.rewards.add(reward_id)


async def _load_rewards(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    """Lock rewards, and load claims of them, which the locks of their accounts guard."""
    for reward_id, document, *rest in await fetch(connection, LOCK_REWARDS, sorted(wanted.rewards)):
        books.rewards[reward_id] = Listing(reward_id, Reward.model_validate_json(document), *rest)
    if wanted.claims or wanted.codes:
        for row in await fetch(connection, LOAD_CLAIMS, sorted(wanted.claims), sorted(wanted.codes)):
            claim = RewardClaim(*row)
            books.claims[claim.claim_id] = claim
            if claim.code is not None:
                books.coupons[claim.code] = claim
    customers = sorted({account.customer_id for account in books.accounts.values()})
    if customers:
        for customer_id, reward_id, count in await fetch(connection, LIVE_CLAIMS, customers, sorted(wanted.rewards)):
            books.live_claims.setdefault(customer_id, {})[reward_id] = count


async def _lock_credits(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    """Lock what is decided by its name, and note whose it is: proposals of adjustments, and grants."""
    if wanted.adjustments:
        for row in await fetch(connection, LOCK_ADJUSTMENTS, sorted(wanted.adjustments)):
            found = Adjustment(*row)
            books.adjustments[found.adjustment_id] = found
            wanted.customers.add(found.customer_id)
    if wanted.grants:
        for row in await fetch(connection, LOCK_GRANTS, *zip(*sorted(wanted.grants), strict=True)):
            grant = Grant(*row)
            books.grants[grant.key] = grant
            wanted.customers.add(grant.customer_id)
            # under the name that it had then, so that what expired before a merge is found
            wanted.debited.add(grant.customer_id)


async def _load_given(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    """Load what customers were given for actions, and lock what the keys that give by hand have given today."""
    acting = sorted({account.customer_id for name in wanted.acting if (account := books.accounts.get(name))})
    if acting and books.versions.has_actions:
        for owner, *given in await fetch(connection, LOAD_ACTIONS, acting):
            found = ActionGiven(*given)
            books.actions[owner, found.action] = found
    givers = sorted(wanted.givers)
    if givers:
        await fetch(connection, OPEN_CREDIT_DAYS, givers, books.today)
        books.given_by_hand.update(await fetch(connection, LOCK_CREDIT_DAYS, givers, books.today))


def _budgets_at(versions: Versions, instant: dt.datetime | None) -> Iterable[str]:
    """Return the campaigns with a budget that a purchase of that instant may draw on."""
    if instant is None:
        return versions.budgeted_campaigns
    campaigns = versions.at(instant).programme.campaigns
    return [each.name for each in campaigns if each.budget is not None and _may_hold(each, instant)]


def _may_hold(campaign: Campaign, instant: dt.datetime) -> bool:
    begins = campaign.early_access.valid_from if campaign.early_access else campaign.valid_from
    return (begins is None or begins <= instant) and (campaign.valid_until is None or instant < campaign.valid_until)


def _purchase(row: asyncpg.Record) -> Purchase:
    return Purchase(*row)
