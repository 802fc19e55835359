"""Account care by staff: block, close and reopen, another card, two accounts that are one customer, a tier by hand."""

from dataclasses import replace

from services.points.books import Books
from services.points.commands import ChangeStatus, GiveTier, MergeAccounts, Outcome, ReplaceCard, refused
from services.points.decisions import entries
from services.points.decisions.accounts import card_refusal
from services.points.decisions.enrolment import change_card
from services.points.decisions.events import balance_of, emit
from services.points.decisions.tiers import NONE, answer, end_floor, raise_to, watch_review
from services.points.records import Account
from services.points.rules import tiers
from services.points.rules.earning import UNUSED
from services.points.rules.tiers import Counts


def change_status(books: Books, command: ChangeStatus) -> Outcome:
    account = books.accounts.get(command.customer_id)
    if account is None:
        return _unknown(command.customer_id)
    if account.status == command.status:
        return answer("repeated", books, account)
    account.status = command.status
    books.changes.changed_standings[account.customer_id] = account
    emit(books, account, "loyalty.account.changed.v1", {"customer_id": account.customer_id, "status": account.status})
    return answer("booked", books, account)


def _unknown(customer_id: str, pointer: str | None = None) -> Outcome:
    return refused("account-unknown", f"customer {customer_id} has no account", pointer)


def replace_card(books: Books, command: ReplaceCard) -> Outcome:
    account = books.accounts.get(command.customer_id)
    if account is None:
        return _unknown(command.customer_id)
    number = command.card_number
    if number is not None and number == account.card_number:
        return answer("repeated", books, account)
    refusal = card_refusal(books, number, account) if number is not None else None
    if refusal is not None:
        return refusal
    change_card(books, account, number)
    return answer("booked", books, account)


def give_tier(books: Books, command: GiveTier) -> Outcome:
    account, levels = books.accounts.get(command.customer_id), books.programme.tiers
    if account is None:
        return _unknown(command.customer_id)
    if levels is None or (command.tier is not None and command.tier not in levels.places):
        return refused("tier-unknown", f"the programme has no tier {command.tier!r}", "/tier")
    if command.until is not None and command.until < books.today:
        return refused("tier-over", f"{command.until} is over", "/until")
    until = command.until if command.tier is not None else None
    if (account.tier_floor, account.tier_floor_until) == (command.tier, until):
        return answer("repeated", books, account)
    if command.tier is None:
        end_floor(books, account, levels, "taken back")
    else:
        account.tier_floor, account.tier_floor_until = command.tier, until
        raise_to(books, account, levels, levels.level(command.tier), "given")
    watch_review(books, account, levels)
    books.changes.changed_standings[account.customer_id] = account
    return answer("booked", books, account)


# Two accounts of one customer


def merge_accounts(books: Books, command: MergeAccounts) -> Outcome:
    """Let one account go on in another: an alias and a pair of entries, never a changed key."""
    source, target = books.accounts.get(command.customer_id), books.accounts.get(command.into)
    if source is None or target is None:
        return _unknown(command.customer_id) if source is None else _unknown(command.into, "/into")
    if command.customer_id == command.into:
        return refused("merge-with-itself", "an account can't be merged with itself", "/into")
    if source is target:
        return answer("repeated", books, target)
    if source.customer_id != command.customer_id:
        detail = f"customer {command.customer_id} goes on in {source.customer_id} already: merge that account"
        return refused("account-merged", detail)
    if target.status == "closed":
        return refused("account-closed", f"the account of customer {command.into} is closed", "/into")
    if source.held:
        detail = f"{source.held} points of customer {command.customer_id} are held: capture or release them first"
        return refused("account-has-holds", detail)
    _move_activity(source, target)
    _move_points(books, source, target)
    _move_standing(books, source, target)
    books.merged.setdefault(target.customer_id, []).extend(
        [source.customer_id, *books.merged.pop(source.customer_id, ())]
    )
    source.status, source.merged_into, source.due_at = "merged", target.customer_id, None
    source.pool_id = None
    books.changes.merges.append((source.customer_id, target.customer_id))
    books.accounts |= {name: target for name, account in books.accounts.items() if account is source}
    books.cards |= {number: target.customer_id for number, owner in books.cards.items() if owner == source.customer_id}
    for account in (source, target):
        data = {"customer_id": source.customer_id, "into": target.customer_id, "balance": balance_of(account)}
        emit(books, account, "loyalty.account.merged.v1", data)
    return answer("booked", books, target)


def _move_activity(source: Account, target: Account) -> None:
    """Have points that end with inactivity live as long as the more active of the two would keep them."""
    if source.inactive_on is not None and (target.inactive_on is None or source.inactive_on > target.inactive_on):
        target.inactive_on, target.inactivity_announced = source.inactive_on, source.inactivity_announced


def _move_points(books: Books, source: Account, target: Account) -> None:
    """Give the target what the source has, lot by lot with its dates, and what it owes."""
    reference_out, reference_in = f"to {target.customer_id}", f"from {source.customer_id}"
    if source.available < 0:
        debt = -source.available
        entries.credit(books, source, "transfer_in", debt, reference_out, books.now)
        entries.debit(books, target, "transfer_out", debt, reference_in, books.now)
    moving = [lot for lot in books.lots[source.customer_id] if lot.remaining]
    if not moving:
        return
    pending = sum(lot.remaining for lot in moving if lot.pending)
    available = sum(lot.remaining for lot in moving) - pending
    out = entries.write(books, source, "transfer_out", reference_out, books.now, available=-available, pending=-pending)
    for lot in moving:
        origin = lot.origin or (source.customer_id, lot.sequence)
        moved = replace(lot, points=lot.remaining, expired=0, origin=origin)
        entries.credit(books, target, "transfer_in", moved.points, reference_in, books.now, lot=moved)
        books.changes.changed_lots[target.customer_id, moved.sequence] = moved
    entries.allocate(books, source, out.sequence, [(lot, lot.remaining) for lot in moving])


def _move_standing(books: Books, source: Account, target: Account) -> None:
    """Add up what counts towards tiers and campaigns; the better tier stays."""
    target.lifetime_points += source.lifetime_points
    target.purchases += source.purchases
    source.lifetime_points = source.purchases = 0
    ours, theirs = books.counts.get(target.customer_id, NONE), books.counts.pop(source.customer_id, NONE)
    books.counts[target.customer_id] = Counts(ours.now + theirs.now, ours.before + theirs.before)
    _move_uses(books, source, target)
    for given in [each for (owner, _), each in books.actions.items() if owner == source.customer_id]:
        key = target.customer_id, given.action
        books.actions[key] = min(given, books.actions.get(key, given), key=lambda each: each.occurred_at)
    levels = books.programme.tiers
    if levels is not None:
        earned = tiers.earned(levels, books.counts[target.customer_id].now)
        raise_to(books, target, levels, max(levels.level(source.tier), earned), "merged")
        if levels.level(source.tier_floor) > levels.level(target.tier_floor):
            target.tier_floor, target.tier_floor_until = source.tier_floor, source.tier_floor_until
            watch_review(books, target, levels)
    for account in (source, target):
        books.changes.changed_standings[account.customer_id] = account
        books.changes.changed_accounts[account.customer_id] = account


def _move_uses(books: Books, source: Account, target: Account) -> None:
    """Add up what caps and limits count for each customer."""
    for campaign, use in books.uses.pop(source.customer_id, {}).items():
        uses = books.uses.setdefault(target.customer_id, {})
        uses[campaign] = uses.get(campaign, UNUSED) + use
    for reward_id, count in books.live_claims.pop(source.customer_id, {}).items():
        claims = books.live_claims.setdefault(target.customer_id, {})
        claims[reward_id] = claims.get(reward_id, 0) + count
