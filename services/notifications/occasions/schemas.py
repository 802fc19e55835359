"""What the API takes and answers about occasions; every model carries an example that works."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from services.notifications.programme import Anniversary, Campaign
from services.notifications.records import NotificationStatus
from shared.contracts.values import Currency, Day, Money
from shared.documents import Name

BIRTHDAY: dict[str, Any] = {"kind": "anniversary", "name": "birthday", "of": "birthday", "template": "birthday"}
SPAN: dict[str, Any] = {"from": "2026-12-01", "until": "2026-12-31"}
COST: dict[str, Any] = {
    "currency": "EUR",
    "gifts": 1200,
    "points": 0,
    "points_cost": None,
    "coupons_at_most": "5988.00",
    "coupons_expected": "1497.00",
    "redemption_share": "0.25",
    "estimated_from": 1100,
}


def _examples(*examples: dict[str, Any], extra: Literal["forbid", "ignore"] = "ignore") -> ConfigDict:
    return ConfigDict(extra=extra, json_schema_extra={"examples": [*examples]})


def _form(occasion: Any) -> str | None:
    """Tell a name from a draft, so that only what is wrong with the one that was sent is said."""
    kind = occasion.get("kind") if isinstance(occasion, dict) else getattr(occasion, "kind", "name")
    return kind if isinstance(kind, str) else None


NameOrDraft = Annotated[
    Annotated[Name, Tag("name")] | Annotated[Anniversary, Tag("anniversary")] | Annotated[Campaign, Tag("campaign")],
    Discriminator(_form),
]


class Question(BaseModel):
    """Which occasion, by its name in the programme or as a draft, and of which local days, the last among them.

    `redemption_share` is the part of the coupons that is taken to be used.
    """

    model_config = _examples(
        SPAN | {"occasion": "christmas", "redemption_share": "0.25"},
        SPAN | {"occasion": BIRTHDAY | {"benefit": {"kind": "points", "points": 100}}},
        extra="forbid",
    )

    occasion: NameOrDraft
    from_: Day = Field(alias="from")
    until: Day
    redemption_share: Annotated[Money, Field(le=1)] = Decimal(1)


class DayView(BaseModel):
    """A local day: how many would get it, and to how many of them it could be said."""

    day: dt.date
    customers: int
    reachable: int


class CostView(BaseModel):
    """What it would cost.

    `points_cost` by the programme's `cost_per_point`, where it has one. `coupons_at_most` is what coupons take off if all of
    them are used: sums as they stand, shares of the average purchase of each of the `estimated_from` customers who have
    bought, the others as these on average. `coupons_expected` is the `redemption_share` of it. Articles and
    deliveries are not counted.
    """

    currency: Currency
    gifts: int
    points: int
    points_cost: Decimal | None
    coupons_at_most: Decimal
    coupons_expected: Decimal
    redemption_share: Decimal
    estimated_from: int


class PreviewAnswer(BaseModel):
    """Who would get an occasion that they do not have yet, and what it would cost; nothing was changed.

    `unreachable` counts by reason those to whom it could not be said as things stand; a gift they get all the same.
    """

    model_config = _examples(
        {
            "occasion": "christmas",
            "customers": 1200,
            "reachable": 900,
            "unreachable": {"consent-missing": 300},
            "days": [{"day": "2026-12-04", "customers": 1200, "reachable": 900}],
            "cost": COST,
        }
    )

    occasion: str
    customers: int
    reachable: int
    unreachable: dict[str, int]
    days: list[DayView]
    cost: CostView


class ProposalView(BaseModel):
    """A customer and when it would be said: on `day`, about the day that `about` is; `reason` is why it could not be."""

    customer_id: str
    season: int
    about: dt.date
    day: dt.date
    at: dt.datetime
    reachable: bool
    reason: str | None


class ProposalPage(BaseModel):
    """A page of customers, in the order of the days on which it is due or of their ids."""

    model_config = _examples(
        {
            "data": [
                {
                    "customer_id": "c-42",
                    "season": 2026,
                    "about": "2026-12-07",
                    "day": "2026-12-07",
                    "at": "2026-12-07T09:12:00Z",
                    "reachable": True,
                    "reason": None,
                }
            ],
            "next_cursor": None,
        }
    )

    data: list[ProposalView]
    next_cursor: str | None


class OccasionView(BaseModel):
    """An occasion of the programme that holds now.

    `season` is the year that is going on or comes next; of a campaign `begins` and `ends` are its first and last day, of an
    anniversary they are none, since each customer has a day. `customers` counts those of the season by what became of it.
    """

    name: str
    kind: Literal["anniversary", "campaign"]
    enabled: bool
    season: int | None
    begins: dt.date | None
    ends: dt.date | None
    customers: dict[NotificationStatus, int]


class OccasionList(BaseModel):
    """The occasions of the programme, in its order."""

    model_config = _examples(
        {
            "data": [
                {
                    "name": "christmas",
                    "kind": "campaign",
                    "enabled": True,
                    "season": 2026,
                    "begins": "2026-12-04",
                    "ends": "2026-12-15",
                    "customers": {"planned": 1200},
                }
            ]
        }
    )

    data: list[OccasionView]
