"""Campaigns as a shop looks at them: where in their life they are, and what their budget still has."""

import datetime as dt
from typing import Literal

from services.points.programme import Campaign, Cap
from services.points.rules.earning import Use

State = Literal["coming", "early_access", "running", "used_up", "over"]


def state(campaign: Campaign, given: Use, now: dt.datetime) -> State:
    """Return where a campaign is; one whose budget is used up still says when it is not yet there or over."""
    if campaign.valid_until is not None and campaign.valid_until <= now:
        return "over"
    early = campaign.early_access
    begins = campaign.valid_from if early is None else early.valid_from
    if begins is not None and now < begins:
        return "coming"
    if campaign.budget is not None and 0 in rest(campaign.budget, given).values():
        return "used_up"
    return "early_access" if campaign.valid_from is not None and now < campaign.valid_from else "running"


def rest(budget: Cap, given: Use) -> dict[str, int | None]:
    """Return what a budget has left, of points and of awards; none of what it does not count."""
    return {
        "points": None if budget.points is None else max(0, budget.points - given.points),
        "awards": None if budget.awards is None else max(0, budget.awards - given.awards),
    }
