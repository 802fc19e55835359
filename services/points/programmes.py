"""The programme over REST: what holds, its versions and their differences, a draft tried on the past, its campaigns."""

import datetime as dt
from typing import Any

from fastapi import Request as HttpRequest
from fastapi import Response

from services.points import queries
from services.points.decisions import snapshots
from services.points.programme import Campaign, faults
from services.points.routes import service_of
from services.points.rules import campaigns, draws
from services.points.rules.earning import UNUSED, Use
from services.points.rules.trial import Comparison, Judged
from services.points.schemas import (
    CampaignPage,
    DifferenceList,
    ProgrammeDraft,
    ProgrammeTrial,
    ProgrammeView,
    TrialAnswer,
    VersionView,
)
from shared.asking import as_json
from shared.auth import needs
from shared.errors import problem_responses
from shared.programmes import Forms, programme_routes, wrong

READ = needs("programme:read")

router = programme_routes(
    Forms(ProgrammeDraft, ProgrammeView, VersionView, DifferenceList, faults, refusals=["secret-revealed"])
)


@router.post(
    "/programme/preview",
    response_model=TrialAnswer,
    openapi_extra=READ,
    summary="What a draft would change, tried on a sample of past purchases; publishes nothing",
    responses=problem_responses(),
)
async def try_programme(http: HttpRequest, draft: ProgrammeTrial) -> Response:
    current = await service_of(http).programme_now()
    found = [wrong(each) for each in faults(draft.programme)]
    answer: dict[str, Any] = {
        "against": current.version,
        "faults": [each.model_dump() for each in found],
        "sample": None,
    }
    if not found:
        compared = await service_of(http).try_out(
            draft.programme, current, largest=draft.largest, open_windows=draft.open_windows
        )
        answer["sample"] = comparison_view(compared)
    return as_json(answer)


@router.get(
    "/campaigns",
    response_model=CampaignPage,
    openapi_extra=READ,
    summary="The campaigns of the programme: where they are, what they gave, what their budgets have left",
)
async def list_campaigns(http: HttpRequest) -> Response:
    points = service_of(http)
    listed = (await points.programme_now()).programme.campaigns
    async with points.engine.connect() as connection:
        uses = await queries.campaign_uses(connection, [each.name for each in listed])
        secrets = await queries.draw_secrets(connection)
    data = [
        _campaign(each, *uses.get(each.name, (UNUSED, 0)), points.clock()) | {"draw": _draw(each, secrets)}
        for each in listed
    ]
    return as_json({"data": data, "next_cursor": None})


def _campaign(campaign: Campaign, given: Use, customers: int, now: dt.datetime) -> dict[str, Any]:
    budget = campaign.budget
    return {
        "name": campaign.name,
        "state": campaigns.state(campaign, given, now),
        "early_from": campaign.early_access.valid_from if campaign.early_access else None,
        "valid_from": campaign.valid_from,
        "valid_until": campaign.valid_until,
        "given": {"points": given.points, "awards": given.awards, "customers": customers},
        "budget": None if budget is None else {"points": budget.points, "awards": budget.awards},
        "left": None if budget is None else campaigns.rest(budget, given),
    }


def _draw(campaign: Campaign, secrets: dict[str, bytes]) -> dict[str, Any] | None:
    """Return what is public of a draw."""
    if campaign.share is None:
        return None
    return {"share": str(campaign.share), "commitment": draws.commitment(secrets[campaign.name])}


# A trial as it is shown


def comparison_view(compared: Comparison) -> dict[str, Any]:
    """Return what a draft would have changed, as answers show it."""
    return {
        "purchases": compared.purchases,
        "changed": compared.changed,
        "refused": compared.refused,
        "points": _both(compared.points),
        "rules": [{"rule": rule} | _both(both) for rule, both in compared.rules.items()],
        "largest": [_judged(each) for each in compared.largest],
    }


def _both(both: tuple[int, int]) -> dict[str, int]:
    return {"before": both[0], "after": both[1]}


def _judged(each: Judged) -> dict[str, Any]:
    sample = each.sample
    return {
        "shop_id": sample.shop_id,
        "invoice_number": sample.invoice_number,
        "customer_id": sample.customer_id,
        "occurred_at": sample.sale.occurred_at,
        "total": str(sample.sale.total),
        "currency": sample.currency,
        "points": _both(each.points),
        "before": snapshots.lines(each.before),
        "after": None if each.after is None else snapshots.lines(each.after),
    }
