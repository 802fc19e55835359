"""Segments: filters over what is known of customers, as documents, and the SQL condition that each comes to."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import orjson
from pydantic import Discriminator, Field, StringConstraints, Tag
from typing_extensions import TypeAliasType

from shared.contracts.coupons import Language
from shared.contracts.values import Day, Flag, Identifier, Money, Whole
from shared.documents import Days, Document, Fault, Name

MOST_PARTS, DEEPEST = 100, 10

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
SegmentName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
Count = Annotated[Whole, Field(ge=0, le=2**31 - 1)]
SmallWhole = Annotated[Whole, Field(ge=-(2**31), le=2**31 - 1)]


class TierIn(Document):
    """Has one of these tiers."""

    field: Literal["tier"]
    in_: Annotated[list[Name], Field(alias="in", min_length=1, max_length=50)]


class Turnover(Document):
    """Bought for so much in all, in the programme's currency and less refunds."""

    field: Literal["turnover"]
    at_least: Money | None = None
    below: Money | None = None


class Purchases(Document):
    """Bought so often."""

    field: Literal["purchases"]
    at_least: Count | None = None
    below: Count | None = None


class LastPurchase(Document):
    """Bought last within so many days, or longer ago; whoever never bought did neither."""

    field: Literal["last_purchase"]
    within_days: Days | None = None
    over_days_ago: Days | None = None


class BoughtIn(Document):
    """Bought something of one of these categories, lately or ever."""

    field: Literal["bought"]
    in_: Annotated[list[Identifier], Field(alias="in", min_length=1, max_length=50)]
    within_days: Days | None = None


class LanguageIn(Document):
    """Reads one of these languages; `de` is also that of Austria."""

    field: Literal["language"]
    in_: Annotated[list[Language], Field(alias="in", min_length=1, max_length=50)]


class Joined(Document):
    """Became a customer on that day or later, or before it."""

    field: Literal["joined"]
    since: Day | None = None
    before: Day | None = None


class BirthdayMonth(Document):
    """Has the birthday in one of these months."""

    field: Literal["birthday_month"]
    in_: Annotated[list[Annotated[Whole, Field(ge=1, le=12)]], Field(alias="in", min_length=1, max_length=12)]


class Prefers(Document):
    """Has this preference, or it among others."""

    field: Literal["preference"]
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,60}$")]
    equals: Flag | SmallWhole | Text


class Reachable(Document):
    """Has told such an address."""

    field: Literal["contact"]
    has: Literal["email", "phone"]


def _kind(content: Any) -> str | None:
    """Name what a part of a filter is by what only it has."""
    if not isinstance(content, dict):
        return TAGS.get(type(content))
    found = next((each for each in ("all", "any", "not") if each in content), content.get("field"))
    return found if isinstance(found, str) else None


Filter = TypeAliasType(
    "Filter",
    Annotated[
        Annotated["All", Tag("all")]
        | Annotated["AnyOf", Tag("any")]
        | Annotated["Not", Tag("not")]
        | Annotated[TierIn, Tag("tier")]
        | Annotated[Turnover, Tag("turnover")]
        | Annotated[Purchases, Tag("purchases")]
        | Annotated[LastPurchase, Tag("last_purchase")]
        | Annotated[BoughtIn, Tag("bought")]
        | Annotated[LanguageIn, Tag("language")]
        | Annotated[Joined, Tag("joined")]
        | Annotated[BirthdayMonth, Tag("birthday_month")]
        | Annotated[Prefers, Tag("preference")]
        | Annotated[Reachable, Tag("contact")],
        Discriminator(_kind),
    ],
)


class All(Document):
    """Each of these holds."""

    all: Annotated[list[Filter], Field(min_length=1, max_length=50)]


class AnyOf(Document):
    """One of these holds at least."""

    any: Annotated[list[Filter], Field(min_length=1, max_length=50)]


class Not(Document):
    """It does not hold."""

    not_: Filter = Field(alias="not")


TAGS: Mapping[type, str] = {
    All: "all",
    AnyOf: "any",
    Not: "not",
    TierIn: "tier",
    Turnover: "turnover",
    Purchases: "purchases",
    LastPurchase: "last_purchase",
    BoughtIn: "bought",
    LanguageIn: "language",
    Joined: "joined",
    BirthdayMonth: "birthday_month",
    Prefers: "preference",
    Reachable: "contact",
}


class Segment(Document):
    """Who belongs to it: whoever the filter holds for, at any instant that it is asked."""

    filter: Filter


def document_of(segment: Segment) -> str:
    """Return the filter of a segment as JSON, as it is saved."""
    return orjson.dumps(segment.model_dump(mode="json", by_alias=True, exclude_unset=True)["filter"]).decode()


def segment_of(document: str) -> Segment:
    """Return the segment whose filter was saved as this JSON."""
    return Segment.model_validate_json(f'{{"filter": {document}}}')


# What can't be said of one part alone


def faults(segment: Segment) -> list[Fault]:
    """Return everything that does not fit together; a segment with faults is never saved."""
    parts = list(_parts("/filter", segment.filter, 1))
    if len(parts) > MOST_PARTS or max(depth for _, _, depth in parts) > DEEPEST:
        return [Fault("/filter", "filter-too-large", f"at most {MOST_PARTS} parts, {DEEPEST} within each other")]
    return [
        Fault(pointer, "condition-empty", "says neither from where nor up to where")
        for pointer, part, _ in parts
        if isinstance(part, Turnover | Purchases | LastPurchase | Joined)
        and len(part.model_dump(exclude_none=True)) == 1
    ]


def _parts(pointer: str, part: Any, depth: int) -> Iterator[tuple[str, Any, int]]:
    yield pointer, part, depth
    if isinstance(part, Not):
        yield from _parts(f"{pointer}/not", part.not_, depth + 1)
    for name, several in _several(part):
        for place, each in enumerate(several):
            yield from _parts(f"{pointer}/{name}/{place}", each, depth + 1)


def _several(part: Any) -> list[tuple[str, list[Any]]]:
    if isinstance(part, All):
        return [("all", part.all)]
    return [("any", part.any)] if isinstance(part, AnyOf) else []


# As a condition


class Condition(NamedTuple):
    """SQL about a row `c` of `customer`, true or false and never unknown, and its arguments."""

    sql: str
    arguments: list[Any]


def segment_condition(segment: Segment, *, now: dt.datetime, first: int = 1) -> Condition:
    """Return the condition that holds for the customers of a segment; its arguments are `$first`, `$first + 1`, …"""
    arguments: list[Any] = []

    def put(value: object) -> str:
        arguments.append(value)
        return f"${first + len(arguments) - 1}"

    return Condition(_condition(segment.filter, put, now), arguments)


Put = Callable[[object], str]


def _condition(part: Any, put: Put, now: dt.datetime) -> str:
    match part:
        case All():
            return f"({' AND '.join(_condition(each, put, now) for each in part.all)})"
        case AnyOf():
            return f"({' OR '.join(_condition(each, put, now) for each in part.any)})"
        case Not():
            return f"(NOT {_condition(part.not_, put, now)})"
    # what is not known of a customer does not hold, and its contrary does
    return f"(({' AND '.join(CONDITIONS[type(part)](part, put, now))}) IS TRUE)"


def _tier(part: TierIn, put: Put, _now: dt.datetime) -> Iterator[str]:
    yield f"c.tier = ANY({put(part.in_)}::text[])"


def _turnover(part: Turnover, put: Put, _now: dt.datetime) -> Iterator[str]:
    if part.at_least is not None:
        yield f"c.turnover >= {put(part.at_least)}::numeric"
    if part.below is not None:
        yield f"c.turnover < {put(part.below)}::numeric"


def _purchases(part: Purchases, put: Put, _now: dt.datetime) -> Iterator[str]:
    if part.at_least is not None:
        yield f"c.purchases >= {put(part.at_least)}::int"
    if part.below is not None:
        yield f"c.purchases < {put(part.below)}::int"


def _last_purchase(part: LastPurchase, put: Put, now: dt.datetime) -> Iterator[str]:
    if part.within_days is not None:
        yield f"c.last_purchase_at >= {put(now - dt.timedelta(days=part.within_days))}::timestamptz"
    if part.over_days_ago is not None:
        yield f"c.last_purchase_at < {put(now - dt.timedelta(days=part.over_days_ago))}::timestamptz"


def _bought(part: BoughtIn, put: Put, now: dt.datetime) -> Iterator[str]:
    lately = ""
    categories = f"b.category = ANY({put(part.in_)}::text[])"
    if part.within_days is not None:
        lately = f" AND b.last_at >= {put(now - dt.timedelta(days=part.within_days))}::timestamptz"
    yield f"EXISTS (SELECT FROM bought b WHERE b.customer_id = c.customer_id AND {categories}{lately})"


def _language(part: LanguageIn, put: Put, _now: dt.datetime) -> Iterator[str]:
    wanted = f"ANY({put(part.in_)}::text[])"
    yield f"(c.language = {wanted} OR split_part(c.language, '-', 1) = {wanted})"


def _joined(part: Joined, put: Put, _now: dt.datetime) -> Iterator[str]:
    if part.since is not None:
        yield f"c.joined_on >= {put(part.since)}::date"
    if part.before is not None:
        yield f"c.joined_on < {put(part.before)}::date"


def _birthday_month(part: BirthdayMonth, put: Put, _now: dt.datetime) -> Iterator[str]:
    yield f"extract(month FROM c.birthday) = ANY({put(part.in_)}::int[])"


def _preference(part: Prefers, put: Put, _now: dt.datetime) -> Iterator[str]:
    alone, among = (put(orjson.dumps({part.name: each}).decode()) for each in (part.equals, [part.equals]))
    yield f"(c.preferences @> {alone}::text::jsonb OR c.preferences @> {among}::text::jsonb)"


def _contact(part: Reachable, _put: Put, _now: dt.datetime) -> Iterator[str]:
    yield f"c.{part.has} IS NOT NULL"


CONDITIONS: Mapping[type, Callable[[Any, Put, dt.datetime], Iterator[str]]] = {
    TierIn: _tier,
    Turnover: _turnover,
    Purchases: _purchases,
    LastPurchase: _last_purchase,
    BoughtIn: _bought,
    LanguageIn: _language,
    Joined: _joined,
    BirthdayMonth: _birthday_month,
    Prefers: _preference,
    Reachable: _contact,
}
"""All that a filter may ask about."""
