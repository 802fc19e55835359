"""Codes of customers: one that is drawn for each, one that they may choose, and how often they are shared."""

from services.referrals.books import Books
from services.referrals.commands import ChooseCode, MakeCode, Outcome, RetireCode, ShareCode, refused
from services.referrals.records import Code


def make_code(books: Books, command: MakeCode) -> Outcome:
    customer = books.customer(command.customer_id)
    known = books.codes_of.get(customer.customer_id, {}).get("generated")
    if known is not None:
        return Outcome("repeated", named=known)
    drawn = next((each for each in (command.drawn, *command.spare) if each not in books.codes), None)
    if drawn is None:
        return refused("code-taken", f"{command.drawn} is somebody's code already")
    code = Code(drawn, "generated", customer.customer_id, None, books.now)
    _begin(books, code)
    return Outcome("booked", named=code)


def choose_code(books: Books, command: ChooseCode) -> Outcome:
    customer = books.customer(command.customer_id)
    known = books.codes.get(command.chosen)
    if known is not None:
        is_theirs = known.customer_id == customer.customer_id and known.retired_at is None
        taken = refused("code-taken", f"{command.chosen} is somebody's code already", "/vanity")
        return Outcome("repeated", named=known) if is_theirs else taken
    before = books.codes_of.get(customer.customer_id, {}).get("vanity")
    if before is not None:
        retire(books, before)
    code = Code(command.chosen, "vanity", customer.customer_id, None, books.now)
    _begin(books, code)
    return Outcome("booked", named=code)


def retire_code(books: Books, command: RetireCode) -> Outcome:
    code = books.codes.get(command.code)
    if code is None:
        return unknown(command.code)
    if code.retired_at is not None:
        return Outcome("repeated", named=code)
    return Outcome("booked", named=retire(books, code))


def share_code(books: Books, command: ShareCode) -> Outcome:
    code = books.codes.get(command.code)
    if code is None:
        return unknown(command.code)
    if code.retired_at is not None:
        return refused("code-retired", f"{code.code} claims nothing any more")
    place = code.code, command.channel, books.now.astimezone(books.programme.zone).date()
    books.changes.shares[place] = books.changes.shares.get(place, 0) + 1
    return Outcome("booked", named=code)


def unknown(code: str) -> Outcome:
    return refused("code-unknown", f"there is no code {code}")


def _begin(books: Books, code: Code) -> None:
    books.codes[code.code] = books.changes.new_codes[code.code] = code
    books.codes_of.setdefault(code.customer_id or "", {})[code.kind] = code


def retire(books: Books, before: Code) -> Code:
    code = before._replace(retired_at=books.now)
    books.codes[code.code] = code
    changed = books.changes.new_codes if code.code in books.changes.new_codes else books.changes.codes
    changed[code.code] = code
    theirs = books.codes_of.get(books.customer(code.customer_id).customer_id, {}) if code.customer_id else {}
    if code.kind in theirs and theirs[code.kind].code == code.code:
        del theirs[code.kind]
    return code
