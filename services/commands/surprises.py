"""`loyalty surprises`: the draws of campaigns with a share, repeated and compared with what was given; their secrets."""

import getpass
import sys
from collections.abc import AsyncIterator, Coroutine
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Annotated, Any

import typer

from services.commands.terminal import AsJson, fail, run, settings_of_environment, show
from services.points import queries
from services.points.rules import campaigns, draws
from services.points.rules.earning import UNUSED
from services.points.service import PointsService
from services.registry import AllSettings
from services.running import points_service
from shared import audit
from shared.database import fetch

SHOWN = 20

MARK_REVEALED = "UPDATE draw_secret SET revealed_at = coalesce(revealed_at, $2) WHERE campaign = $1"

Campaign = Annotated[str, typer.Argument(help="The name of a campaign with a share.")]


app = typer.Typer(no_args_is_help=True, help="Campaigns that draw their purchases.")


class SurpriseError(Exception):
    """There is no such draw, or its secret can't be shown yet."""


@dataclass(slots=True)
class Checked:
    """What a draw came to: `expected` is the sum of the shares that held for the purchases.

    What is `drawn` may give nothing: a minimum, a tier, a cap or an empty budget stands against it. `wrong` are the
    first purchases that were given points without being drawn.
    """

    campaign: str
    commitment: str
    purchases: int = 0
    expected: Decimal = Decimal(0)
    drawn: int = 0
    given: int = 0
    points: int = 0
    undrawn: int = 0
    wrong: list[str] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        return asdict(self) | {"expected": str(round(self.expected, 1))}


async def check(settings: AllSettings, campaign: str) -> Checked:
    """Draw every purchase of a campaign again. Raises `SurpriseError`."""
    async with points_service(settings) as points, points.engine.connect() as connection:
        secret = (await queries.draw_secrets(connection)).get(campaign)
        if secret is None:
            raise SurpriseError(f"no campaign {campaign} ever had a share")
        return await compare(campaign, secret, queries.drawn(connection, campaign))


async def compare(campaign: str, secret: bytes, purchases: AsyncIterator[dict[str, Any]]) -> Checked:
    """Return what the draw says of purchases, beside what they were given."""
    found = Checked(campaign, draws.commitment(secret))
    async for each in purchases:
        _count(found, secret, each)
    return found


def _count(found: Checked, secret: bytes, purchase: dict[str, Any]) -> None:
    shop_id, invoice_number = purchase["shop_id"], purchase["invoice_number"]
    is_drawn = draws.draw(secret, shop_id, invoice_number) < purchase["share"] * draws.OF
    found.purchases += 1
    found.expected += purchase["share"]
    found.drawn += is_drawn
    found.given += purchase["points"] > 0
    found.points += purchase["points"]
    if purchase["points"] > 0 and not is_drawn:
        found.undrawn += 1
        found.wrong = [*found.wrong, f"{shop_id}/{invoice_number}"][:SHOWN]


async def reveal(settings: AllSettings, campaign: str) -> str:
    """Return a secret as hex, once nothing is drawn by it any more; that stands in the audit trail. Raises `SurpriseError`."""
    async with points_service(settings) as points, points.engine.begin() as connection:
        secret = (await queries.draw_secrets(connection)).get(campaign)
        if secret is None:
            raise SurpriseError(f"no campaign {campaign} ever had a share")
        if await _draws_yet(points, campaign):
            raise SurpriseError(f"{campaign} still draws: who has its secret could choose invoice numbers that win")
        await fetch(connection, MARK_REVEALED, campaign, points.clock())
        await audit.record(connection, f"command line ({getpass.getuser()})", "surprise.reveal", campaign)
        return secret.hex()


async def _draws_yet(points: PointsService, campaign: str) -> bool:
    """Tell whether the campaign is in a programme that holds now or will, and is not over in it."""
    now = points.clock()
    async with points.engine.connect() as connection:
        versions = (await points.ledger.versions(connection)).from_now_on(now)
    named = (each for version in versions for each in version.programme.drawing if each.name == campaign)
    return any(campaigns.state(each, UNUSED, now) != "over" for each in named)


# The commands


@app.command("check")
def check_surprises(campaign: Campaign, *, as_json: AsJson = False) -> None:
    """Draw every purchase of a campaign again; exit code 1 where points were given without being drawn."""
    checked: Checked = _with_draw(check(settings_of_environment(), campaign))
    show([checked.shown()], "", as_json=as_json)
    raise SystemExit(1 if checked.undrawn else 0)


@app.command("reveal")
def reveal_surprises(campaign: Campaign) -> None:
    """Write the secret of a campaign that is over to stdout, for whoever wants to repeat its draw."""
    secret: str = _with_draw(reveal(settings_of_environment(), campaign))
    sys.stderr.write("A draw is the first 7 bytes of SHA-256(secret, shop, 0x1f, invoice number)\n")
    sys.stdout.write(f"{secret}\n")


def _with_draw(command: Coroutine[Any, Any, Any]) -> Any:
    try:
        return run(command)
    except SurpriseError as error:
        fail(str(error))
