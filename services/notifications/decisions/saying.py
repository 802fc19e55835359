"""What was planned is said when it is due: to whom it may be, on the channel that they prefer, with the gift of the day."""

from typing import Any, NamedTuple, cast

import orjson

from services.notifications.books import Books
from services.notifications.commands import Outcome, Say
from services.notifications.decisions.events import emit, named
from services.notifications.decisions.gifts import give, present
from services.notifications.decisions.letters import Letter, write, zone_of
from services.notifications.programme import PROMOTIONAL, Message, Occasion, Programme
from services.notifications.records import QUESTION, Customer, Dispatch, Notification
from services.notifications.rules import permission
from services.notifications.rules.consent import Standing, spelled
from services.notifications.rules.permission import Reach, Verdict, judge
from services.notifications.rules.reaching import MAIL, address, choose, in_order
from services.notifications.templates.document import BROKEN

LONGEST_REASON = 500


class Topic(NamedTuple):
    """What a message is about, as the programme has it now."""

    template: str
    occasion: Occasion | None = None


def topic(programme: Programme, subject: str) -> Topic | None:
    """Return what is said of a subject; none where that is switched off, or was never switched on."""
    kind, _, name = subject.partition(":")
    if kind == "occasion":
        occasion = next((each for each in programme.occasions if each.name == name), None)
        return Topic(occasion.template, occasion) if occasion is not None and occasion.enabled else None
    message: Message | None = getattr(programme.messages, kind, None)
    return Topic(message.template) if message is not None and message.enabled else None


def say(books: Books, command: Say) -> Outcome:
    notification = books.notifications.get(command.notification_id)
    if notification is None or notification.status != "planned" or notification.due_at > books.now:
        return Outcome("ignored")
    about = topic(books.programme, notification.subject)
    customer = books.customer(notification.customer_id)
    if about is None or customer.erased_at is not None:
        return suppress(books, notification, "switched-off" if about is None else "customer-erased")
    if (answer := _answer_to(books, notification)) is not None:
        return suppress(books, notification, answer)
    channel, verdict = _way(books, notification, customer)
    if verdict.outcome == "later":
        return _postpone(books, notification, verdict)
    occasion = about.occasion
    if occasion is not None and (verdict.outcome == "allowed" or _gives_without(books, notification, occasion)):
        give(books, notification, occasion, command.code, zone_of(books, customer))
    if verdict.outcome == "suppressed":
        return suppress(books, notification, cast("str", verdict.reason))
    return _request(books, notification, channel, about)


# Whether, and on which channel


def _answer_to(books: Books, notification: Notification) -> str | None:
    """Return what the customer has said to a question before it was put to them."""
    if notification.subject != QUESTION:
        return None
    content = orjson.loads(notification.content)
    consent = books.consents.get((notification.customer_id, content["channel"], content["purpose"]))
    state = "missing" if consent is None else consent.state
    return None if state == "asked" else f"consent-{state}"


def _way(books: Books, notification: Notification, customer: Customer) -> tuple[str, Verdict]:
    channels = {MAIL, *books.reach.hooks, *books.programme.shop_channels}
    if notification.subject == QUESTION:
        channels = {orjson.loads(notification.content)["channel"]}
    message = permission.Message(notification.purpose, notification.happened_at, notification.until)
    return choose(
        [
            (channel, judge(message, _reach(books, notification, customer, channel), books.now, books.programme))
            for channel in in_order(channels, customer.preferred_channel)
        ]
    )


def _reach(books: Books, notification: Notification, customer: Customer, channel: str) -> Reach:
    where, who, purpose = address_of(customer, channel), customer.customer_id, notification.purpose
    return Reach(
        zone_of(books, customer),
        None if where is None else books.standings.get((channel, spelled(channel, where)), Standing()),
        None if purpose == "necessary" else books.consents.get((who, channel, purpose)),
        books.reach.said.get(who, ()),
    )


def address_of(customer: Customer, channel: str) -> str | None:
    return address(channel, customer_id=customer.customer_id, email=customer.email, phone=customer.phone)


def _gives_without(books: Books, notification: Notification, occasion: Occasion) -> bool:
    """Whether the gift is given although nothing is said; of an occasion that is over there is none."""
    is_over = notification.until is not None and books.now >= notification.until
    return occasion.without_message == "give" and not is_over


def _postpone(books: Books, notification: Notification, verdict: Verdict) -> Outcome:
    assert verdict.at is not None  # noqa: S101 - what is for later says from when
    notification.due_at, notification.reason = verdict.at, verdict.reason
    return _became(books, notification, "later")


def suppress(books: Books, notification: Notification, reason: str) -> Outcome:
    """Book that a notification is not said, and why."""
    notification.status, notification.reason = "suppressed", reason
    emit(books, notification.customer_id, "notification.suppressed", {**named(notification), "reason": reason})
    return _became(books, notification, "suppressed")


# How it is said


def _request(books: Books, notification: Notification, channel: str, about: Topic) -> Outcome:
    benefit = None if about.occasion is None else about.occasion.benefit
    try:
        letter = write(books, notification, channel, about.template, present(books, notification, benefit))
    except BROKEN as error:
        return fail(books, notification, f"template-broken: {error!r}"[:LONGEST_REASON])
    notification.status, notification.channel, notification.reason = "requested", channel, None
    notification.said_at = books.now
    if notification.purpose in PROMOTIONAL:
        books.reach.said.setdefault(notification.customer_id, []).append(books.now)
    to = address_of(books.customer(notification.customer_id), channel)
    is_ours = delivers(books, channel)
    emit(books, notification.customer_id, "notification.requested", _said(notification, letter, to, is_ours=is_ours))
    if is_ours:
        books.keep_dispatch(_dispatch(books, notification, letter, to))
    return _became(books, notification, "requested")


def delivers(books: Books, channel: str) -> bool:
    """Whether we deliver on a channel ourselves."""
    if channel in books.programme.shop_channels:
        return False
    return books.house.delivers_mail if channel == MAIL else channel in books.reach.hooks


def _said(notification: Notification, letter: Letter, to: str | None, *, is_ours: bool) -> dict[str, Any]:
    rendered = letter.rendered
    return {
        **named(notification),
        "to": to,
        "language": rendered.language,
        "subject": rendered.subject,
        "text": rendered.text,
        "html": rendered.html,
        "unsubscribe_url": letter.links.unsubscribe,
        "preferences_url": letter.links.preferences,
        "template": letter.stored.name,
        "template_version": letter.stored.version,
        "delivered_by": "loyalty" if is_ours else "shop",
        "until": notification.until,
        "coupon_id": notification.coupon_id,
    }


def _dispatch(books: Books, notification: Notification, letter: Letter, to: str | None) -> Dispatch:
    rendered, unsubscribe = letter.rendered, letter.links.unsubscribe
    message = {
        "purpose": notification.purpose,
        "subject": rendered.subject,
        "text": rendered.text,
        "html": rendered.html,
        "written_at": books.now,
        # one click wants https (RFC 8058); a shop that is being tried out has the link in the text all the same
        "unsubscribe_url": unsubscribe if (unsubscribe or "").startswith("https://") else None,
        "sender_name": letter.sender,
    }
    return Dispatch(
        notification.notification_id,
        notification.customer_id,
        cast("str", notification.channel),
        to,
        orjson.dumps(message).decode(),
        "waiting",
        books.now,
    )


# What became of it


def fail(books: Books, notification: Notification, reason: str) -> Outcome:
    """Book that a notification will not arrive."""
    notification.status, notification.reason = "failed", reason
    emit(books, notification.customer_id, "notification.failed", {**named(notification), "reason": reason})
    return _became(books, notification, "failed")


def _became(books: Books, notification: Notification, what: str) -> Outcome:
    books.keep_notification(notification)
    return Outcome("booked", more={"became": what, "channel": notification.channel, "reason": notification.reason})
