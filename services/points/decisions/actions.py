"""Actions: points for what a customer did beside buying, once each and for ever."""

import datetime as dt
from collections.abc import Iterable

from services.points.books import Books
from services.points.commands import GiveAction, HearCustomer, Outcome, refused
from services.points.decisions import entries
from services.points.decisions.accounts import inactive, keep_alive
from services.points.decisions.events import CUSTOMERS_TOPIC, hear, is_heard, relay, say
from services.points.programme import Action
from services.points.records import Account, ActionGiven, Entry


def give_action(books: Books, command: GiveAction) -> Outcome:
    account = books.accounts.get(command.customer_id)
    if account is None:
        return refused("account-unknown", f"customer {command.customer_id} has no account")
    given = books.actions.get((account.customer_id, command.action))
    if given is not None:
        return Outcome("repeated", account=account, balance=account.balance, action=given)
    rule = books.versions.at(command.occurred_at).programme.action(command.action)
    if rule is None:
        return refused("action-unknown", f"the programme has no action {command.action!r}", "/action")
    if not rule.is_open(command.occurred_at):
        return refused("action-closed", f"action {command.action!r} gives nothing at {command.occurred_at}", "/action")
    if account.status != "active":
        return inactive(account, command.customer_id)
    given, entry = _give(books, account, rule, command.occurred_at, command.reference)
    return Outcome("booked", account=account, balance=account.balance, entry=entry, action=given)


def hear_customer(books: Books, command: HearCustomer) -> Outcome:
    account = books.accounts.get(command.customer_id)
    if is_heard(books, command.origin):
        return Outcome("repeated", account=account)
    hear(books, command.origin)
    relay(books, CUSTOMERS_TOPIC, command.customer_id, command.origin)
    if account is not None:
        give_unasked(books, account, command.actions, command.occurred_at)
    return Outcome("booked", account=account)


def give_unasked(books: Books, account: Account, names: Iterable[str], occurred_at: dt.datetime) -> bool:
    """Give the points of what an event tells; tell whether there were any for it, and not given before."""
    programme = books.versions.at(occurred_at).programme
    rules = [rule for name in names if (rule := programme.action(name)) is not None and rule.is_open(occurred_at)]
    new = [rule for rule in rules if (account.customer_id, rule.name) not in books.actions]
    if account.status != "active":
        return False
    for rule in new:
        _give(books, account, rule, occurred_at, None)
    return bool(new)


def _give(
    books: Books, account: Account, rule: Action, occurred_at: dt.datetime, reference: str | None
) -> tuple[ActionGiven, Entry]:
    keep_alive(books, account)
    days = rule.expires_after_days
    expires_on = None if days is None else books.today + dt.timedelta(days=days)
    name = f"action {rule.name}"
    lot = entries.given_lot(books, rule.points, expires_on)
    entry = entries.credit(books, account, "adjustment", rule.points, name, occurred_at, lot=lot)
    version = books.versions.at(occurred_at).version
    given = ActionGiven(account.customer_id, rule.name, rule.points, entry.sequence, version, occurred_at, reference)
    books.actions[account.customer_id, rule.name] = given
    books.changes.actions.append(given)
    own_date = {} if expires_on is None else {"expires_on": expires_on}
    data = {"reason": name, "breakdown": [{"rule": name, "points": rule.points}], **own_date}
    say(books, account, "loyalty.points.adjusted.v1", entry, data)
    return given, entry
