"""Partners as staff keep them: opened with their terms and codes, retired, paid for what their statements come to."""

import datetime as dt
from dataclasses import replace

from services.referrals.books import Books
from services.referrals.commands import (
    AddPartnerCode,
    OpenPartner,
    Outcome,
    PayPartner,
    RetirePartner,
    SetTerms,
    refused,
)
from services.referrals.records import Code, Partner, Payout, TermsVersion
from services.referrals.terms import Terms, Version, Versions, faults
from shared.documents import BEGINNING


def open_partner(books: Books, command: OpenPartner) -> Outcome:
    refusal = _faulty(command.terms)
    if refusal is not None:
        return refusal
    known = books.partners.get(command.partner_id)
    if known is not None:
        said, stands = (command.name, command.language, command.terms), (known.name, known.language, known.terms)
        is_same = said == stands and known.retired_at is None
        taken = refused("partner-exists", f"there is another partner {command.partner_id}", "/partner_id")
        return _answer(known, is_new=False) if is_same else taken
    # a claim that is older than the partner is judged by the first terms
    first = Version(version=1, valid_from=BEGINNING, programme=command.terms)
    partner = Partner(command.partner_id, command.name, command.language, Versions([first]), books.now)
    books.partners[command.partner_id] = partner
    _write_terms(books, partner, command.actor)
    return _answer(partner)


def set_terms(books: Books, command: SetTerms) -> Outcome:
    """Let other terms hold for claims from now on; the same again change nothing."""
    partner = books.partners.get(command.partner_id)
    if partner is None:
        return unknown(command.partner_id)
    if partner.retired_at is not None:
        return _retired(partner)
    if partner.terms == command.terms:
        return _answer(partner, is_new=False)
    if partner.terms.currency != command.terms.currency:
        detail = f"statements are in {partner.terms.currency}: make another partner"
        return refused("partner-currency-fixed", detail, "/terms/currency")
    refusal = _faulty(command.terms)
    if refusal is not None:
        return refusal
    latest = partner.versions.latest
    following = Version(version=latest + 1, valid_from=books.now, programme=command.terms)
    partner.versions = Versions([*map(partner.versions.number, range(1, latest + 1)), following])
    _write_terms(books, partner, command.actor)
    return _answer(partner)


def retire_partner(books: Books, command: RetirePartner) -> Outcome:
    partner = books.partners.get(command.partner_id)
    if partner is None:
        return unknown(command.partner_id)
    if partner.retired_at is not None:
        return _answer(partner, is_new=False)
    partner.retired_at = books.now
    _keep(books, partner)
    return _answer(partner)


def add_code(books: Books, command: AddPartnerCode) -> Outcome:
    partner = books.partners.get(command.partner_id)
    if partner is None:
        return unknown(command.partner_id)
    if partner.retired_at is not None:
        return _retired(partner)
    known = books.codes.get(command.code)
    if known is not None:
        is_theirs = known.partner_id == partner.partner_id and known.retired_at is None
        taken = refused("code-taken", f"{command.code} is somebody's code already", "/vanity")
        return Outcome("repeated", named=known) if is_theirs else taken
    code = Code(command.code, "partner", None, partner.partner_id, books.now)
    books.codes[code.code] = books.changes.new_codes[code.code] = code
    return Outcome("booked", named=code)


def pay_partner(books: Books, command: PayPartner) -> Outcome:
    """Note a payout of all that was due at the end of a month; what comes later stands on a later statement."""
    partner = books.partners.get(command.partner_id)
    if partner is None:
        return unknown(command.partner_id)
    place = partner.partner_id, command.month
    known = books.payouts.get(place)
    if known is not None and known.reference == command.reference:
        return Outcome("repeated", payout=known)
    refusal = _not_payable(books, partner, command.month)
    if refusal is not None:
        return refusal
    payout = Payout(
        *place,
        books.booked[place] - partner.paid,
        partner.terms.currency,
        command.reference,
        books.now,
        command.actor,
    )
    books.payouts[place] = payout
    books.changes.payouts.append(payout)
    partner.paid, partner.paid_through = partner.paid + payout.amount, command.month
    _keep(books, partner)
    return Outcome("booked", payout=payout)


def _not_payable(books: Books, partner: Partner, month: dt.date) -> Outcome | None:
    """Return why the statement of a month can't be paid."""
    if partner.paid_through is not None and month <= partner.paid_through:
        return refused("statement-paid", f"it was paid with the statement of {partner.paid_through:%Y-%m}")
    if month >= books.programme.month(books.now):
        return refused("month-not-over", f"the statement of {month:%Y-%m} may still change")
    due = books.booked[partner.partner_id, month] - partner.paid
    return None if due > 0 else refused("nothing-to-pay", "the statement leaves nothing to pay; it is carried forward")


def unknown(partner_id: str) -> Outcome:
    return refused("partner-unknown", f"there is no partner {partner_id}")


def _retired(partner: Partner) -> Outcome:
    return refused("partner-retired", f"partner {partner.partner_id} is retired")


def _faulty(terms: Terms) -> Outcome | None:
    found = faults(terms)
    return refused("terms-faulty", found[0].detail, f"/terms{found[0].pointer}") if found else None


def _write_terms(books: Books, partner: Partner, actor: str) -> None:
    _keep(books, partner)
    document = partner.terms.model_dump_json()
    books.changes.terms.append(TermsVersion(partner.partner_id, partner.versions.latest, books.now, document, actor))


def _keep(books: Books, partner: Partner) -> None:
    books.changes.partners[partner.partner_id] = partner


def _answer(partner: Partner, *, is_new: bool = True) -> Outcome:
    # as it is now, whatever the same batch makes of it
    return Outcome("booked" if is_new else "repeated", partner=replace(partner))
