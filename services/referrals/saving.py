"""What a batch has decided, written with a handful of set-based statements."""

import datetime as dt
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals import tables
from services.referrals.books import Changes
from services.referrals.records import Commission, Listing
from shared import erasures
from shared.columns import Columns, firsts, joined, rows_of
from shared.database import fetch

CUSTOMER = Columns(
    tables.customer, "customer_id event_sequence first_purchase_at tier email_hash phone_hash merged_into erased"
)
MERGED = Columns(tables.customer, "customer_id merged_into")
CARD = Columns(tables.card, "card_number customer_id")
PURCHASE = Columns(
    tables.purchase,
    "shop_id invoice_number status customer_id card_number occurred_at currency total points_paid amount refunded"
    " taken_back companion_id referral_code",
)
NEW_REFUND = Columns(
    tables.refund, "shop_id invoice_number refund_id currency amount shipping gift_cards points_paid status"
)
REFUND = Columns(tables.refund, "shop_id invoice_number refund_id status")
CODE = Columns(tables.code, "code kind customer_id partner_id created_at retired_at")
REFERRAL = Columns(
    tables.referral,
    "referral_id code friend_id referrer_id partner_id programme_version source claimed_at received_at status reason"
    " address_hash qualifies_until review_until shop_id invoice_number qualified_at hold_until round decided_by"
    " terms_version commissions_due_at due_at",
)
REWARD = Columns(tables.reward, "reward_id customer_id referral_id side round status benefit month decided_at rung")
NEW_OFFER = Columns(tables.offer, "offer_id document created_at retired_at")
PAIR = Columns(
    tables.pair,
    "pair_id offer_id code referrer_id friend_id kind currency minimum days new_friends_only benefit link status"
    " invited_at expires_at accepted_at completed_at referrer_shop_id referrer_invoice_number friend_shop_id"
    " friend_invoice_number round reason",
)
PAIR_REWARD = Columns(tables.pair_reward, "reward_id pair_id customer_id side round status decided_at")
SHARE = Columns(tables.share, "code channel on shares")
PARTNER = Columns(
    tables.partner,
    "partner_id name language created_at event_sequence line_number paid paid_through retired_at",
)
TERMS = Columns(tables.partner_terms, "partner_id version valid_from document set_by")
COMMISSION = Columns(
    tables.commission,
    "referral_id shop_id invoice_number partner_id occurred_at hold_until currency status amount sold refunded round month",
)
LINE = Columns(
    tables.statement_line,
    "partner_id number month amount referral_id shop_id invoice_number reason sold refunded booked_at",
)
PAYOUT = Columns(tables.payout, "partner_id month amount currency reference paid_at paid_by")
OUTBOX = Columns(tables.outbox, "topic key payload")

HOT = (PURCHASE, CUSTOMER, OUTBOX)
AT = dict(zip(HOT, firsts(1, *HOT), strict=True))

SAVE = f"""
WITH purchases AS ({PURCHASE.insert(AT[PURCHASE])}),
  customers AS ({CUSTOMER.insert(AT[CUSTOMER])})
INSERT INTO outbox (topic, key, payload)
SELECT topic, key, convert_to(payload, 'UTF8') FROM {rows_of("text", "text", "text", first=AT[OUTBOX])} AS k(topic, key, payload)"""
"""What every batch writes, and no more of it."""

UPDATE_CUSTOMERS, UPDATE_PURCHASES, INSERT_CARDS = CUSTOMER.update(), PURCHASE.update(), CARD.insert()
INSERT_REFUNDS, UPDATE_REFUNDS, ADD_SHARES = NEW_REFUND.insert(), REFUND.update(), SHARE.add()

# what is new is inserted, so that a name that another transaction took meanwhile is never written over
INSERT_CODES, INSERT_REFERRALS = CODE.insert(), REFERRAL.insert()
UPDATE_MERGED, UPDATE_CODES, UPDATE_REFERRALS, PUT_REWARDS = (
    MERGED.update(),
    CODE.update(),
    REFERRAL.update(),
    REWARD.put(),
)
INSERT_OFFERS, PUT_PAIRS, PUT_PAIR_REWARDS = NEW_OFFER.insert(), PAIR.put(), PAIR_REWARD.put()
PUT_PARTNERS, PUT_COMMISSIONS = PARTNER.put(), COMMISSION.put()
INSERT_TERMS, INSERT_LINES, INSERT_PAYOUTS = TERMS.insert(), LINE.insert(), PAYOUT.insert()


def _reversed_first(commission: Commission) -> tuple[object, ...]:
    """Order commissions so that a sale is no longer one partner's before it is another's."""
    return commission.status != "reversed", commission.referral_id, *commission.key


# at once, since a budget and the places taken of it are judged together
CHANGE_OFFERS = f"""
UPDATE offer SET document = coalesce(k.document, offer.document), retired_at = coalesce(k.retired_at, offer.retired_at),
  reserved = offer.reserved + k.taken
  FROM {rows_of("text", "jsonb", "timestamptz", "bigint")} AS k(offer_id, document, retired_at, taken)
 WHERE offer.offer_id = k.offer_id"""


async def save(connection: AsyncConnection, changes: Changes, now: dt.datetime) -> None:
    """Write what was decided. Raises the database's errors; a unique key tells that another transaction was first."""
    if changes.erased:
        await erasures.begin(connection, changes.erased, changes.erased, now=now)
    # sorted by their keys, as every batch does: what two of them write both is then written by one after the other
    await fetch(
        connection,
        SAVE,
        *PURCHASE.joined([PURCHASE.of(changes.new_purchases[key]) for key in sorted(changes.new_purchases)]),
        *CUSTOMER.joined([CUSTOMER.of(changes.new_customers[name]) for name in sorted(changes.new_customers)]),
        *OUTBOX.joined(changes.outbox),
    )
    for statement, rows in (
        (UPDATE_CUSTOMERS, [CUSTOMER.of(each) for each in changes.customers.values()]),
        (UPDATE_MERGED, sorted(changes.merged.items())),
        (INSERT_CARDS, sorted(changes.cards.items())),
        (UPDATE_PURCHASES, [PURCHASE.of(each) for each in changes.purchases.values()]),
        # in the order of their arrival, which the identity column keeps
        (INSERT_REFUNDS, [NEW_REFUND.of(each) for each in changes.new_refunds.values()]),
        (UPDATE_REFUNDS, [REFUND.of(each) for each in changes.refunds.values()]),
        # those that do not count any more first: a customer has one code that they chose, and a friend one referral
        (UPDATE_CODES, [CODE.of(each) for each in changes.codes.values()]),
        (INSERT_CODES, [CODE.of(changes.new_codes[name]) for name in sorted(changes.new_codes)]),
        (UPDATE_REFERRALS, [REFERRAL.of(each) for each in changes.referrals.values()]),
        (INSERT_REFERRALS, [REFERRAL.of(changes.new_referrals[name]) for name in sorted(changes.new_referrals)]),
        (PUT_REWARDS, [REWARD.of(changes.rewards[name]) for name in sorted(changes.rewards)]),
        (INSERT_OFFERS, [_new_offer(changes.new_offers[name]) for name in sorted(changes.new_offers)]),
        (CHANGE_OFFERS, _changed_offers(changes)),
        (PUT_PAIRS, [PAIR.of(changes.pairs[name]) for name in sorted(changes.pairs)]),
        (PUT_PAIR_REWARDS, [PAIR_REWARD.of(changes.pair_rewards[name]) for name in sorted(changes.pair_rewards)]),
        (PUT_PARTNERS, [PARTNER.of(changes.partners[name]) for name in sorted(changes.partners)]),
        (INSERT_TERMS, changes.terms),
        (PUT_COMMISSIONS, [COMMISSION.of(each) for each in sorted(changes.commissions.values(), key=_reversed_first)]),
        (INSERT_LINES, changes.lines),
        (INSERT_PAYOUTS, changes.payouts),
        (ADD_SHARES, [(*place, shares) for place, shares in sorted(changes.shares.items())]),
    ):
        if rows:
            await fetch(connection, statement, *joined(rows, 0))


def _new_offer(listing: Listing) -> tuple[Any, ...]:
    return listing.offer_id, listing.offer.model_dump_json(), listing.created_at, listing.retired_at


def _changed_offers(changes: Changes) -> list[tuple[Any, ...]]:
    names = changes.changed_offers.keys() | {name for name, taken in changes.reserved.items() if taken}
    return [_changed_offer(changes, name) for name in sorted(names)]


def _changed_offer(changes: Changes, name: str) -> tuple[Any, ...]:
    listing, taken = changes.changed_offers.get(name), changes.reserved.get(name, 0)
    document = None if listing is None else listing.offer.model_dump_json()
    return name, document, None if listing is None else listing.retired_at, taken
