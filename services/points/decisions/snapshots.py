"""An award's snapshot as it is stored beside its purchase; what a plain programme leaves at its default is left out."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zlib import crc32

import orjson

from services.points.rules.earning import ONE, Bonus, Buyer, Choice, Group, Part, Sale, Terms
from services.points.rules.trial import Sample
from shared.contracts.purchases import PurchaseCompleted


def dump(terms: Terms, breakdown: list[dict[str, Any]], available_at: dt.datetime | None = None) -> str:
    """Return the JSON of the terms, with the breakdown that they came to, and from when its points can be spent."""
    stored: dict[str, Any] = {
        "version": terms.version,
        "rate": str(terms.rate),
        "minimum": str(terms.minimum),
        "gross": str(terms.gross),
        "base": str(terms.base),
        "breakdown": breakdown,
    }
    if terms.tier is not None:
        stored |= {"tier": terms.tier, "tier_multiplier": str(terms.tier_multiplier)}
    if terms.groups:
        stored |= {"lines": str(terms.lines), "other_lines": str(terms.other_lines)}
        stored["groups"] = [[str(each.amount), *map(_choice, each.choices)] for each in terms.groups]
    if terms.bonuses:
        stored["lines"] = str(terms.lines)
        stored["bonuses"] = [_bonus(each) for each in terms.bonuses]
    if available_at is not None:
        stored["available_at"] = available_at
    return orjson.dumps(stored).decode()


def lines(parts: list[Part]) -> list[dict[str, Any]]:
    """Return a breakdown as answers and events show it."""
    return [
        {"rule": part.rule, "points": part.points}
        | ({} if part.capped_from is None else {"capped_from": part.capped_from})
        for part in parts
    ]


SAMPLED = 16
"""Of so many purchases all that decides their points is kept of one."""

MOST_SAMPLED_LINES = 100
PERSONAL = {"customer_id", "card_number", "coupon_codes", "referral_code", "companion_id", "redemption_ids"}


def sample(purchase: PurchaseCompleted, *, occurred_at: dt.datetime, is_first: bool) -> str | None:
    """Return what a later programme can be tried on; none where the purchase is not in the sample."""
    name = f"{purchase.shop_id}/{purchase.invoice_number}".encode()
    if crc32(name) % SAMPLED or len(purchase.lines) > MOST_SAMPLED_LINES:
        return None
    document = purchase.model_dump_json(exclude=PERSONAL, exclude_defaults=True)
    return orjson.dumps(
        {"occurred_at": occurred_at, "is_first": is_first, "purchase": orjson.Fragment(document)}
    ).decode()


def load_sample(row: Mapping[str, Any]) -> Sample:
    """Read back a sample from the row of its purchase."""
    stored = orjson.loads(row["sample"])
    purchase = PurchaseCompleted.model_validate(stored["purchase"])
    buyer = Buyer(row["tier"], is_first=stored["is_first"])
    sale = sale_of(purchase, dt.datetime.fromisoformat(stored["occurred_at"]))
    return Sample(row["shop_id"], row["invoice_number"], row["customer_id"], purchase.currency, sale, buyer)


def sale_of(purchase: PurchaseCompleted, occurred_at: dt.datetime) -> Sale:
    """Return what of a purchase decides its points."""
    return Sale(
        purchase.total,
        purchase.tax,
        purchase.shipping,
        purchase.gift_cards,
        purchase.points_paid,
        purchase.discount,
        purchase.lines,
        purchase.shop_id,
        purchase.channel,
        occurred_at,
    )


@lru_cache(maxsize=1024)
def load(award: str) -> Terms:
    """Read back what an award was computed from; a refund asks for it more than once."""
    stored = orjson.loads(award)
    return Terms(
        stored["version"],
        Decimal(stored["rate"]),
        Decimal(stored["minimum"]),
        Decimal(stored["gross"]),
        Decimal(stored["base"]),
        tier=stored.get("tier"),
        tier_multiplier=Decimal(stored.get("tier_multiplier", ONE)),
        other_lines=Decimal(stored.get("other_lines", ONE)),
        lines=Decimal(stored.get("lines", ONE)),
        groups=tuple(
            Group(Decimal(amount), tuple(Choice(name, *map(Decimal, numbers)) for name, *numbers in choices))
            for amount, *choices in stored.get("groups", ())
        ),
        bonuses=tuple(_load_bonus(each) for each in stored.get("bonuses", ())),
    )


def _choice(choice: Choice) -> list[str]:
    return [choice.name, str(choice.multiplier), str(choice.minimum), str(choice.chosen)]


def _bonus(bonus: Bonus) -> dict[str, Any]:
    stored = {"name": bonus.name, "minimum": str(bonus.minimum), "chosen": str(bonus.chosen), "room": bonus.room}
    return stored | {"points": bonus.points, "factor": None if bonus.factor is None else str(bonus.factor)}


def _load_bonus(stored: dict[str, Any]) -> Bonus:
    factor = stored["factor"]
    return Bonus(
        stored["name"],
        stored["points"],
        None if factor is None else Decimal(factor),
        Decimal(stored["minimum"]),
        Decimal(stored["chosen"]),
        stored["room"],
    )
