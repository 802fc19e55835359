"""What is heard of customers: who they are, which cards and tiers they have, as whom they go on."""

from services.referrals.books import Books
from services.referrals.commands import ClaimCode, HearCard, HearCustomer, HearMerge, HearTier, Outcome
from services.referrals.decisions.claims import claim_code, learn_contact
from services.referrals.decisions.purchases import attach
from services.referrals.decisions.referrals import reject, settle
from services.referrals.names import claim_of_event
from services.referrals.records import Customer, Referral
from services.referrals.rules.claims import Counts


def hear_customer(books: Books, command: HearCustomer) -> Outcome:
    learn_contact(books, books.customer(command.customer_id), command.contact)
    if command.card_number is not None:
        hear_card(books, HearCard(command.card_number, command.customer_id))
    if command.referral_code is None:
        return Outcome("booked")
    name = claim_of_event(command.origin.source, command.origin.id)
    claim = ClaimCode(name, command.referral_code, command.customer_id, command.happened_at, "customer")
    return claim_code(books, claim)


def hear_card(books: Books, command: HearCard) -> Outcome:
    """Keep whose a card is; the first owner stays. Purchases that waited for it are theirs."""
    if command.card_number in books.cards:
        return Outcome("repeated")
    customer = books.customer(command.customer_id)
    books.cards[command.card_number] = books.changes.cards[command.card_number] = command.customer_id
    books.cards_of[customer.customer_id].add(command.card_number)
    for purchase in sorted(books.parked.pop(command.card_number, []), key=lambda each: (each.occurred_at, each.key)):
        attach(books, purchase, command.customer_id)
    return Outcome("booked")


def hear_tier(books: Books, command: HearTier) -> Outcome:
    customer = books.customer(command.customer_id)
    if customer.tier == command.tier:
        return Outcome("repeated")
    customer.tier = command.tier
    books.keep(customer)
    return Outcome("booked")


# Two names that are one customer


def hear_merge(books: Books, command: HearMerge) -> Outcome:
    """Let a customer go on as another: what was theirs is judged as the other's."""
    gone, into = books.customer(command.customer_id), books.customer(command.into)
    if gone is into or gone.customer_id != command.customer_id:
        return Outcome("repeated")
    gone.merged_into = into.customer_id
    books.keep(gone)
    _take_over(books, gone, into)
    live = [each for name in (gone.customer_id, into.customer_id) if (each := books.live.pop(name, None)) is not None]
    for referral in sorted(live, key=lambda each: (each.received_at, each.claimed_at, each.referral_id)):
        _take_referral_over(books, referral, into)
    return Outcome("booked")


def _take_over(books: Books, gone: Customer, into: Customer) -> None:
    names = [gone.customer_id, *books.merged.pop(gone.customer_id, [])]
    books.merged.setdefault(into.customer_id, []).extend(names)
    books.changes.merged.update(dict.fromkeys(names, into.customer_id))
    for name, customer in list(books.customers.items()):
        if customer is gone:
            books.customers[name] = into
    first = [each.first_purchase_at for each in (gone, into) if each.first_purchase_at is not None]
    into.first_purchase_at = min(first, default=None)
    into.email_hash, into.phone_hash = into.email_hash or gone.email_hash, into.phone_hash or gone.phone_hash
    books.sales.setdefault(into.customer_id, {}).update(books.sales.pop(gone.customer_id, {}))
    books.cards_of[into.customer_id] |= books.cards_of.pop(gone.customer_id, set())
    _take_rewards_over(books, gone, into)
    books.keep(into)


def _take_rewards_over(books: Books, gone: Customer, into: Customer) -> None:
    """Count what both brought as one's; the ladder is looked at when the next of their referrals changes."""
    books.rewarded[into.customer_id] += books.rewarded.pop(gone.customer_id, 0)
    books.ladder[into.customer_id].update(books.ladder.pop(gone.customer_id, {}))
    books.counts[into.customer_id] = books.counts.get(into.customer_id, Counts()).plus(
        books.counts.pop(gone.customer_id, Counts())
    )
    for name, month in [each for each in books.given if each[0] == gone.customer_id]:
        books.given[into.customer_id, month] += books.given.pop((name, month))


def _take_referral_over(books: Books, referral: Referral, into: Customer) -> None:
    if into.customer_id in books.live:
        reject(books, referral, "referred-already")
        return
    books.live[into.customer_id] = referral
    if into.customer_id in books.up_the_chain(into.customer_id):
        is_own = books.customer(referral.referrer_id or "") is into
        reject(books, referral, "own-code" if is_own else "circle")
        return
    settle(books, referral)
