"""A message in its reader's language, from the template that holds and what the notification was planned with."""

from typing import NamedTuple
from zoneinfo import ZoneInfo

import orjson

from services.notifications.books import Books
from services.notifications.programme import PROMOTIONAL
from services.notifications.records import QUESTION, Customer, Notification
from services.notifications.templates import formats, rendering
from services.notifications.templates.document import Stored
from services.notifications.templates.kinds import Links, Shop
from services.notifications.templates.rendering import Rendered
from services.notifications.templates.salutations import Person, salutation
from services.notifications.templates.telling import Present, values
from shared import languages


class Letter(NamedTuple):
    """A message as it goes out, and the template that it was made from."""

    rendered: Rendered
    links: Links
    sender: str
    stored: Stored


def write(books: Books, notification: Notification, channel: str, template: str, gift: Present | None) -> Letter:
    """Return a notification as a message. Raises what `templates.document.BROKEN` names."""
    stored, customer = books.reach.templates[template], books.customer(notification.customer_id)
    programme, texts = books.programme, stored.template.texts
    wanted = [each for each in (customer.language, programme.default_language) if each]
    language = languages.choose(wanted, texts, next(iter(texts)))
    to, sender = formats.reader(language, customer.language, zone_of(books, customer)), programme.sender
    content = orjson.loads(notification.content) | ({} if gift is None else {"gift": gift})
    name, links = sender.called(language), _links(books, notification, channel)
    told = {
        **values(stored.template.kind, content, to, currency=programme.currency),
        "salutation": salutation(Person(customer.salutation, customer.given_name, customer.family_name), language),
        "shop": Shop(name, sender.website, sender.postal_address),
        "links": links,
    }
    return Letter(rendering.render(texts[language].source, told, to), links, name, stored)


def zone_of(books: Books, customer: Customer) -> ZoneInfo:
    """Return the time zone that a customer told, or the shop's."""
    return books.programme.zone_of(customer.time_zone)


def _links(books: Books, notification: Notification, channel: str) -> Links:
    customer_id, purpose, made = notification.customer_id, notification.purpose, books.house.links
    if made is None:
        return Links()
    if notification.subject == QUESTION:
        agreed_to = orjson.loads(notification.content)["purpose"]
        return Links(confirm=made.confirm(customer_id, channel, agreed_to, notification.happened_at))
    unsubscribe = made.unsubscribe(customer_id, channel, purpose) if purpose in PROMOTIONAL else None
    return Links(unsubscribe, made.preferences(customer_id))
