"""Points that come in, gathered for one message: each event counts once, for the digest that is due next."""

import orjson

from services.notifications.books import Books
from services.notifications.commands import CountPoints, Outcome
from services.notifications.programme import Digest, purpose
from services.notifications.records import Customer, Notification, notification_id
from services.notifications.rules.digests import next_at
from shared.contracts.values import LATEST

SUBJECT = "points_digest"


def count_points(books: Books, command: CountPoints) -> Outcome:
    """Count points for the digest; what was taken back meanwhile lowers it, and too few wait for more."""
    customer = books.customer(command.customer_id)
    if command.sequence <= customer.digest_sequence:
        return Outcome("repeated")
    digest = books.digests.get(customer.customer_id)
    comes_in = command.awarded > 0 or command.activated > 0
    if customer.erased_at is not None or (digest is None and not comes_in):
        return Outcome("ignored")
    customer.digest_sequence = command.sequence
    books.change(customer)
    _count(books, digest or _begin(books, customer, command), command)
    return Outcome("booked")


def _begin(books: Books, customer: Customer, command: CountPoints) -> Notification:
    # named after the first event in it, which is in no other
    reference, name = str(command.sequence), customer.customer_id
    key = notification_id(name, SUBJECT, reference)
    digest = Notification(key, name, SUBJECT, reference, "planned", purpose(SUBJECT), LATEST, LATEST)
    books.digests[name] = digest
    return digest


def _count(books: Books, digest: Notification, command: CountPoints) -> None:
    told = orjson.loads(digest.content)
    awarded = max(0, told.get("awarded", 0) + command.awarded)
    activated = told.get("activated", 0) + command.activated
    content = {"awarded": awarded, "activated": activated, "available": command.available, "pending": command.pending}
    digest.content = orjson.dumps(content).decode()
    terms = books.programme.messages.points_digest
    _fall_due(books, digest, terms, enough=awarded + activated >= terms.smallest)
    books.keep_notification(digest)


def fold_digest(books: Books, gone: Customer, into: Customer) -> None:
    """Let what is gathered for a customer who goes on as another be told in the other's digest."""
    theirs, own = books.digests.pop(gone.customer_id, None), books.digests.get(into.customer_id)
    if theirs is None:
        return
    if own is None:
        theirs.customer_id = into.customer_id
        books.digests[into.customer_id] = theirs
        books.keep_notification(theirs)
        return
    told, more = orjson.loads(own.content), orjson.loads(theirs.content)
    own.content = orjson.dumps(told | {each: told[each] + more[each] for each in ("awarded", "activated")}).decode()
    own.due_at = own.happened_at = min(own.due_at, theirs.due_at)
    books.keep_notification(own)
    books.forget(theirs)


def _fall_due(books: Books, digest: Notification, terms: Digest, *, enough: bool) -> None:
    """Let a digest be due with the next one of its customer once there is enough to tell; before, it waits."""
    if not enough:
        digest.due_at = LATEST
    elif digest.due_at == LATEST:
        zone = books.programme.zone_of(books.customer(digest.customer_id).time_zone)
        digest.due_at = next_at(terms, books.now, zone)
    digest.happened_at = digest.due_at
