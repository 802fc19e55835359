"""Grants: points that another service owes a customer, booked once for its name of them, and taken back, in either order."""

from decimal import Decimal

from services.points.books import Books, Progress
from services.points.commands import GrantPoints, Outcome, RevokeGrant, refused
from services.points.decisions import clawbacks, entries
from services.points.decisions.accounts import keep_alive, open_account
from services.points.decisions.events import hear, is_heard, say
from services.points.decisions.expiry import end_late
from services.points.decisions.tiers import lower, upgrade
from services.points.programme import Programme
from services.points.records import Account, Entry, Grant
from shared.dates import is_ahead

ZERO = Decimal(0)


def grant_points(books: Books, command: GrantPoints) -> Outcome:
    known = books.grants.get((command.source, command.reward_id))
    if is_heard(books, command.origin):
        return _answer(books, known)
    refusal = _conflict(books, command, known) or _refusal(books, command, known)
    if refusal is not None:
        return refusal
    hear(books, command.origin)
    if known is not None and known.status != "awaited":
        return _answer(books, known)
    grant = known or _new(books, command)
    grant.rule, grant.points, grant.occurred_at = command.rule, command.points, command.occurred_at
    if known is not None:
        grant.status = "revoked"
        books.changes.changed_grants[grant.key] = grant
        return _answer(books, grant)._replace(status="booked")
    return _answer(books, grant, _book(books, grant, command))


def revoke_grant(books: Books, command: RevokeGrant) -> Outcome:
    known = books.grants.get((command.source, command.reward_id))
    if is_heard(books, command.origin):
        return _answer(books, known)
    if known is not None and not _is_theirs(books, command, known):
        return _other_customer(command)
    hear(books, command.origin)
    if known is None:
        grant = _new(books, command)
        grant.status, grant.revoked_at = "awaited", command.occurred_at
        return Outcome("waiting")
    if known.status != "granted":
        return _answer(books, known)
    return _answer(books, known, _take_back(books, known, command))._replace(status="booked")


def _new(books: Books, command: GrantPoints | RevokeGrant) -> Grant:
    grant = Grant(command.source, command.reward_id, command.customer_id)
    books.grants[grant.key] = books.changes.new_grants[grant.key] = grant
    return grant


def _answer(books: Books, grant: Grant | None, entry: Entry | None = None) -> Outcome:
    account = None if grant is None else books.accounts.get(grant.customer_id)
    balance = None if account is None else account.balance
    return Outcome("repeated" if entry is None else "booked", account=account, balance=balance, entry=entry)


# Refusals


def _conflict(books: Books, command: GrantPoints, known: Grant | None) -> Outcome | None:
    if known is None:
        return None
    if not _is_theirs(books, command, known):
        return _other_customer(command)
    if known.status != "awaited" and known.points != command.points:
        return refused("grant-conflict", f"{command.reward_id} is booked with {known.points} points")
    return None


def _is_theirs(books: Books, command: GrantPoints | RevokeGrant, known: Grant) -> bool:
    """Tell whether it names the grant's customer, whose account may have been merged since."""
    account = books.accounts.get(command.customer_id)
    return command.customer_id == known.customer_id or (
        account is not None and account is books.accounts.get(known.customer_id)
    )


def _other_customer(command: GrantPoints | RevokeGrant) -> Outcome:
    return refused("grant-conflict", f"{command.reward_id} is of another customer", "/customer_id")


def _refusal(books: Books, command: GrantPoints, known: Grant | None) -> Outcome | None:
    """Return why new points can't be booked; those that were taken back already bring nothing, whoever they are for."""
    if known is not None:
        return None
    if is_ahead(command.occurred_at, command.origin.received_at):
        return refused("occurred-in-future", f"{command.occurred_at} is more than 24 hours ahead", "/occurred_at")
    account = books.accounts.get(command.customer_id)
    if account is None and not _programme_of(books, command).enrol_buyers:
        return refused("account-unknown", f"customer {command.customer_id} has no account", "/customer_id")
    if account is not None and account.status == "closed":
        return refused("account-closed", f"the account of customer {command.customer_id} is closed", "/customer_id")
    return None


def _programme_of(books: Books, what: GrantPoints | Grant) -> Programme:
    return books.versions.at(what.occurred_at or books.now).programme


# The booking


def _book(books: Books, grant: Grant, command: GrantPoints) -> Entry:
    account = open_account(books, command.customer_id, command.occurred_at, command.origin)
    keep_alive(books, account)
    lot = entries.given_lot(books, grant.points, command.expires_on)
    entry = entries.credit(books, account, "grant", grant.points, grant.reference, command.occurred_at, lot=lot)
    grant.customer_id, grant.entry_sequence = account.customer_id, entry.sequence
    own_date = {} if command.expires_on is None else {"expires_on": command.expires_on}
    _say(books, account, grant, entry, command, command.rule, **own_date)
    levels = _programme_of(books, grant).tiers
    grant.qualifying = levels is not None and levels.counts == "points" and levels.granted_points_count
    if grant.qualifying:
        _count(books, account, grant, grant.points)
    end_late(books, account, lot)
    return entry


def _take_back(books: Books, grant: Grant, command: RevokeGrant) -> Entry | None:
    account = books.accounts[grant.customer_id]
    grant.status, grant.revoked_at = "revoked", command.occurred_at
    books.changes.changed_grants[grant.key] = grant
    if grant.qualifying:
        _count(books, account, grant, -grant.points)
    grant.revoked_expired = clawbacks.expired_part(books, grant.origin, account, grant.points)
    points = grant.points - grant.revoked_expired
    if not points:
        return None
    taken = clawbacks.take(
        books, account, "revocation", points, grant.reference, command.occurred_at, origin=grant.origin
    )
    grant.revocation_sequence = taken.entry.sequence
    _say(books, account, grant, taken.entry, command, command.reason)
    if taken.missing and _programme_of(books, grant).unmet_clawback == "write_off":
        clawbacks.write_off(books, account, taken)
    return taken.entry


def _count(books: Books, account: Account, grant: Grant, points: int) -> None:
    """Let points count towards a tier on the day of their grant, or count no more."""
    day = _programme_of(books, grant).local_day(grant.occurred_at or books.now)
    books.changes.progress.setdefault((account.customer_id, day), Progress()).points += points
    if points > 0:
        upgrade(books, account, day, points=points, spend=ZERO)
    else:
        lower(books, account, day, points=-points, spend=ZERO)


def _say(
    books: Books,
    account: Account,
    grant: Grant,
    entry: Entry,
    command: GrantPoints | RevokeGrant,
    reason: str,
    **own_date: object,
) -> None:
    breakdown = [{"rule": grant.rule, "points": entry.points}]
    data = {"reason": reason, "granted_by": grant.source, "reward_id": grant.reward_id, "breakdown": breakdown}
    say(books, account, "loyalty.points.adjusted.v1", entry, data | own_date, command.origin)
