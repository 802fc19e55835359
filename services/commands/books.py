"""`loyalty verify` and `loyalty audit`: whether the books are right, and who did what."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from services.commands.agreeing import compare
from services.commands.here import Only, services_here
from services.commands.terminal import AsJson, out, run, show
from services.registry import POINTS, REFERRALS, Kind
from services.running import Opened
from shared import audit
from shared.database import create_engine
from shared.verification import Finding

Findings = dict[str, list[Finding]]
"""What is wrong, by service, and by services that do not agree."""


def verify(*, only: Only = None, as_json: AsJson = False) -> None:
    """Prove the books; exit code 1 and the offending rows where an invariant is broken."""
    found: Findings = run(_verify(only))
    if as_json:
        shown = [
            {"service": service, "name": each.name, "count": each.count, "rows": each.rows}
            for service, findings in found.items()
            for each in findings
        ]
        sys.stdout.write(json.dumps({"findings": shown}, default=str) + "\n")
    else:
        _show(found)
    raise SystemExit(1 if any(found.values()) else 0)


async def _verify(only: Kind[Any] | None) -> Findings:
    async with services_here(only) as services:
        found = {each.kind.name: await _findings(each) for each in services}
        here = {each.kind: each for each in services}
        if here.keys() >= {POINTS, REFERRALS}:
            async with _reading(here[REFERRALS]) as referrals, _reading(here[POINTS]) as points:
                found["referrals and points"] = await compare(referrals, points)
        return found


async def _findings(of: Opened[Any]) -> list[Finding]:
    async with _reading(of) as connection:
        return await of.kind.verify(connection)


@asynccontextmanager
async def _reading(of: Opened[Any]) -> AsyncIterator[AsyncConnection]:
    """Give a connection for statements that read whole tables."""
    engine = create_engine(of.url, name="loyalty-verify", reporting=True)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def _show(found: Findings) -> None:
    for service, findings in found.items():
        for each in findings:
            out.print(f"{service}: [bold red]{each.name}[/]: {each.count} rows break it. {each.states}")
            for row in each.rows:
                out.print(f"  {json.dumps(row, default=str)}", markup=False)
        if not findings:
            out.print(f"{service}: [bold green]the books are right[/]: every invariant holds")


def show_audit(
    *,
    actor: Annotated[str | None, typer.Option(help="Only what this one did.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only what was done to this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """List who did what, the newest first; a purchase says in its own row who booked it."""

    async def command() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with services_here(only) as services:
            for each in services:
                async with each.service.engine.connect() as connection:
                    deeds = await audit.deeds(connection, actor=actor, subject=subject, limit=limit)
                found += [{"service": each.kind.name, **deed} for deed in deeds]
        return sorted(found, key=lambda deed: deed["at"], reverse=True)[:limit]

    show(run(command()), "nothing was done", as_json=as_json)
