"""Claims: a friend names who recommended the shop; accepted, held for review or refused, once."""

import datetime as dt

from services.referrals.books import Books
from services.referrals.commands import AcceptClaim, ClaimCode, Contact, Outcome, RejectClaim, refused
from services.referrals.decisions.events import tell_both, tell_friend, tell_partner
from services.referrals.decisions.referrals import accept, keep, reject, settle
from services.referrals.records import Code, Customer, Referral
from services.referrals.rules import claims, qualifying
from services.referrals.rules.claims import Counts, Friend, Person


def claim_code(books: Books, command: ClaimCode) -> Outcome:
    known = books.referrals.get(command.referral_id) or _same(books, command)
    if known is not None:
        return Outcome("repeated", referral=known)
    friend = books.customer(command.friend_id)
    learn_contact(books, friend, command.contact)
    version = books.versions.at(command.claimed_at)
    code = books.codes.get(command.code)
    partner = None if code is None or code.partner_id is None else books.partners[code.partner_id]
    counts = _counts(books, code, command.contact)
    asking = _friend(books, friend, command.card_number)
    verdict = claims.judge(
        asking, _judged(books, code, command.claimed_at), command.claimed_at, counts, version.programme
    )
    referral = Referral(
        command.referral_id,
        command.code,
        friend.customer_id,
        None if code is None or code.customer_id is None else books.customer(code.customer_id).customer_id,
        None if code is None else code.partner_id,
        version.version,
        command.source,
        command.claimed_at,
        books.now,
        verdict.status,
        verdict.reason,
        command.contact.address_hash,
        qualifying.qualifies_until(command.claimed_at, version.programme),
        terms_version=None if partner is None else partner.versions.at(command.claimed_at).version,
    )
    _register(books, referral)
    return Outcome("booked", referral=referral)


def _same(books: Books, command: ClaimCode) -> Referral | None:
    """Return the live claim of the same code by the same friend: who asks again is answered as before."""
    if command.friend_id not in books.customers:
        return None
    live = books.live.get(books.customer(command.friend_id).customer_id)
    return live if live is not None and live.code == command.code else None


def learn_contact(books: Books, customer: Customer, contact: Contact) -> None:
    """Keep what is new of a customer's contact data."""
    email, phone = contact.email_hash or customer.email_hash, contact.phone_hash or customer.phone_hash
    if (email, phone) != (customer.email_hash, customer.phone_hash):
        customer.email_hash, customer.phone_hash = email, phone
        books.keep(customer)


# What is judged


def _friend(books: Books, friend: Customer, card_number: str | None) -> Friend:
    person = _person(books, friend)
    if card_number is not None:
        person = person._replace(cards=person.cards | {card_number})
    return Friend(person, friend.first_purchase_at, friend.customer_id in books.live)


def _person(books: Books, customer: Customer) -> Person:
    cards = frozenset(books.cards_of[customer.customer_id])
    return Person(customer.customer_id, customer.email_hash, customer.phone_hash, cards)


def _judged(books: Books, code: Code | None, claimed_at: dt.datetime) -> claims.Code | None:
    if code is None:
        return None
    if code.partner_id is not None:
        partner = books.partners[code.partner_id]
        is_retired = code.retired_at is not None or partner.retired_at is not None
        return claims.Code(
            None, is_retired=is_retired, is_open=partner.versions.at(claimed_at).programme.is_open(claimed_at)
        )
    referrer = books.customer(code.customer_id or "")
    chain = books.chains.get(referrer.customer_id, frozenset())
    return claims.Code(_person(books, referrer), chain, is_retired=code.retired_at is not None)


def _counts(books: Books, code: Code | None, contact: Contact) -> Counts:
    owner = None if code is None or code.customer_id is None else books.customer(code.customer_id).customer_id
    counts = books.counts.get(owner or "", Counts())
    address = contact.address_hash
    return counts._replace(from_address=0 if address is None else books.from_address[address])


# What follows


def _register(books: Books, referral: Referral) -> None:
    keep(books, referral)
    _count(books, referral)
    if referral.status == "rejected":
        tell_friend(books, referral, "referral.rejected", reason=referral.reason)
        return
    programme = books.programme_of(referral)
    books.live[referral.friend_id] = referral
    if referral.status == "review":
        referral.review_until = claims.review_until(books.now, programme)
    _lengthen_chain(books, referral)
    details = {"status": referral.status, "qualifies_until": referral.qualifies_until}
    if referral.review_until is not None:
        details["review_until"] = referral.review_until
    tell_both(books, referral, "referral.registered", **details)
    tell_partner(books, referral, "referral.registered", **details)
    settle(books, referral)


def _count(books: Books, referral: Referral) -> None:
    """Let claims that follow in the same batch see this one."""
    if referral.address_hash is not None:
        books.from_address[referral.address_hash] += 1
    if referral.referrer_id is not None and referral.status != "rejected":
        known = books.counts.get(referral.referrer_id, Counts())
        more = {"within_day": known.within_day + 1, "within_month": known.within_month + 1}
        books.counts[referral.referrer_id] = known._replace(**more)


def _lengthen_chain(books: Books, referral: Referral) -> None:
    referrer = referral.referrer_id
    if referrer is not None:
        books.chains[referral.friend_id] = books.chains.get(referrer, frozenset()) | {referrer}


# What staff decide


def accept_claim(books: Books, command: AcceptClaim) -> Outcome:
    referral = books.referrals.get(command.referral_id)
    if referral is None:
        return _unknown(command.referral_id)
    if referral.status in {"claimed", "qualified", "rewarded"}:
        return Outcome("repeated", referral=referral)
    if referral.status == "rejected":
        return refused("claim-rejected", f"it was rejected: {referral.reason}")
    accept(books, referral, command.actor)
    return Outcome("booked", referral=referral)


def reject_claim(books: Books, command: RejectClaim) -> Outcome:
    referral = books.referrals.get(command.referral_id)
    if referral is None:
        return _unknown(command.referral_id)
    if referral.status == "rejected":
        return Outcome("repeated", referral=referral)
    referral.decided_by = command.actor
    reject(books, referral, command.reason)
    return Outcome("booked", referral=referral)


def _unknown(referral_id: str) -> Outcome:
    return refused("claim-unknown", f"there is no claim {referral_id}")
