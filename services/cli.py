"""The `loyalty` command: serve, migrate, import, prove the books, look after what waits and what failed."""

import datetime as dt
import getpass
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from services import demo, documents, importing, publishing, reporting, scheduling, single, surprises
from services.points import handlers, queries
from services.points.app import create_app
from services.points.imports.presets import MappingError
from services.points.imports.records import FileError
from services.points.programme import Programme
from services.points.settings import PointsSettings
from services.points.verification import Finding, verify
from services.running import (
    StartError,
    admit,
    broker_checks,
    keeping,
    points_service,
    serve,
    work,
    worker,
    worker_health,
)
from shared import api_keys, audit
from shared.database import DatabaseAwayError, create_engine
from shared.embedded_postgres import EmbeddedPostgresError
from shared.messaging import dead_letters
from shared.reports.questions import QuestionError
from shared.reports.reader import ParameterError, ReportTooSlowError
from shared.settings import read_or_exit
from shared.telemetry import configure_logging

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
services_app = typer.Typer(no_args_is_help=True, help="Run one service by itself.")
refunds_app = typer.Typer(no_args_is_help=True, help="Refunds.")
letters_app = typer.Typer(no_args_is_help=True, help="Records that could not be processed.")
app.add_typer(services_app, name="services")
app.add_typer(refunds_app, name="refunds")
app.add_typer(letters_app, name="dead-letters")
keys_app = typer.Typer(no_args_is_help=True, help="API keys.")
app.add_typer(keys_app, name="keys")
programme_app = typer.Typer(no_args_is_help=True, help="The shop's rules.")
app.add_typer(programme_app, name="programme")
surprises_app = typer.Typer(no_args_is_help=True, help="Campaigns that draw their purchases.")
app.add_typer(surprises_app, name="surprises")
jobs_app = typer.Typer(no_args_is_help=True, help="What comes round again and again.")
app.add_typer(jobs_app, name="jobs")

out = Console(width=None if sys.stdout.isatty() else 200)
"""What goes into a file or a pipe is not broken where a terminal would end."""

AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
KeyName = Annotated[str, typer.Argument(help="Who has the key: lower-case letters, digits, dots and dashes.")]
Number = Annotated[int, typer.Argument(help="As `loyalty dead-letters list` shows it.")]

ENDED_BY_CTRL_C = 130


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a command to its end; what a user can mend is said in a line, without a traceback.

    SIGTERM and Ctrl-C cancel it, so that it ends in good order whatever it is at.
    """
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    # a shell lets what it starts in the background ignore Ctrl-C, and with it this
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return uvloop.run(work)
    except (StartError, EmbeddedPostgresError, DatabaseAwayError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise SystemExit(ENDED_BY_CTRL_C) from None


def run_service(work: Coroutine[Any, Any, None]) -> None:
    """Run until told to end, which is the good end of a service."""
    try:
        run(work)
    except SystemExit as end:
        if end.code != ENDED_BY_CTRL_C:
            raise


def fail(message: str) -> NoReturn:
    """End with a line on stderr and exit code 1."""
    sys.stderr.write(f"{message}\n")
    raise SystemExit(1)


def settings_of_environment() -> PointsSettings:
    """Return the settings; wrong ones end the process with their names."""
    settings = read_or_exit(PointsSettings)
    configure_logging(settings.log_level, settings.log_format)
    return settings


@app.command("serve")
def serve_all() -> None:
    """Run everything in one process, with a PostgreSQL of its own unless one is configured."""
    settings = settings_of_environment()

    def ready() -> None:
        out.print(f"Loyalty on http://{settings.host}:{settings.port} (Ctrl-C ends it)")

    run_service(single.run(settings, ready=ready))


@services_app.command("points")
def serve_points(
    *,
    api: Annotated[bool, typer.Option(help="Serve the API.")] = True,
    worker: Annotated[bool, typer.Option(help="Consume and relay events.")] = True,
) -> None:
    """Run the points service: its API, its worker, or both; a worker alone answers for its health where a port is set."""
    settings = settings_of_environment()
    if api and "port" not in settings.model_fields_set:
        settings = settings.model_copy(update={"port": 8001})
    if not api and not worker:
        fail("--no-api and --no-worker leave nothing to run")
    run_service(_points(settings, api=api, with_worker=worker))


async def _points(settings: PointsSettings, *, api: bool, with_worker: bool) -> None:
    async with points_service(settings) as (points, books):
        parts = [*(worker(points, settings, books) if with_worker else []), *keeping(books)]
        if api:
            await admit(points, settings)
            await serve(create_app(points, settings, checks=broker_checks(settings)), settings, parts)
        elif "port" in settings.model_fields_set:
            await serve(worker_health(points, settings), settings, parts)
        else:
            await work(parts)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""

    async def command() -> None:
        async with points_service(settings_of_environment()):
            out.print("points: the schema is the newest")

    run(command())


@app.command("import")
@importing.with_mapping_options
def import_purchases(
    files: importing.Files,
    *,
    preset: importing.Preset = None,
    rejected: importing.RejectedFile = None,
    dry_run: importing.DryRun = False,
    as_json: importing.AsJson = False,
    **given: Any,
) -> None:
    """Book a shop's past purchases and cancellations from files; what is booked already is left as it is.

    Without invoice numbers a row is named by its file and its number there, so such a file has to keep its name.
    """
    settings = settings_of_environment()
    try:
        wanted = importing.wanted(settings, files, preset=preset, rejected=rejected, dry_run=dry_run, **given)
        report, unused = run(importing.run(settings, wanted))
    except (FileError, MappingError) as error:
        fail(str(error))
    importing.show(report, unused, dry_run=dry_run, as_json=as_json)


@app.command("demo")
def run_demo() -> None:
    """Book 18 months of a real shop's purchases and sum them up; again it only sums up."""
    try:
        report, sums = run(demo.run(settings_of_environment()))
    except FileError as error:
        fail(str(error))
    demo.show(report, sums, out)


@app.command()
def docs(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 where one is out of date.")
    ] = False,
) -> None:
    """Write the OpenAPI and AsyncAPI documents that the code describes."""
    stale = [path for path, content in documents.written().items() if documents.read(path) != content]
    if check and stale:
        fail(f"out of date, run `make docs`: {', '.join(map(str, stale))}")
    for path in stale:
        documents.write(path)
        out.print(f"written: {path}")


@app.command("verify")
def verify_books(*, as_json: AsJson = False) -> None:
    """Prove the books; exit code 1 and the offending rows where an invariant is broken."""
    findings: list[Finding] = run(_verify())
    if as_json:
        shown = [{"name": each.name, "count": each.count, "rows": each.rows} for each in findings]
        sys.stdout.write(json.dumps({"findings": shown}, default=str) + "\n")
    else:
        _show_findings(findings)
    raise SystemExit(1 if findings else 0)


async def _verify() -> list[Finding]:
    async with points_service(settings_of_environment()) as (_, books):
        engine = create_engine(books.url, name="loyalty-verify", reporting=True)
        try:
            async with engine.connect() as connection:
                return await verify(connection)
        finally:
            await engine.dispose()


def _show_findings(findings: list[Finding]) -> None:
    for each in findings:
        out.print(f"[bold red]{each.name}[/]: {each.count} rows break it. {each.states}")
        for row in each.rows:
            out.print(f"  {json.dumps(row, default=str)}", markup=False)
    if not findings:
        out.print("[bold green]the books are right[/]: every invariant holds")


@app.command()
def report(  # noqa: PLR0913 - an option each
    wanted: reporting.Wanted = None,
    *,
    first: reporting.From = None,
    end: reporting.To = None,
    period: reporting.Each = None,
    shop: reporting.Shop = None,
    currency: reporting.Currency = None,
    rule: reporting.Rule = None,
    limit: reporting.Limit = None,
    cost_per_point: reporting.Cost = None,
    form: reporting.Format = reporting.Form.TABLE,
    output: reporting.Output = None,
) -> None:
    """Read a report: retention, turnover, points outstanding, …; without a name, list what there is."""
    if wanted is None:
        reporting.show_all()
        return
    narrowing = {"shop_id": shop, "currency": currency, "rule": rule, "limit": limit, "cost_per_point": cost_per_point}
    asked = {"first": first, "end": end, "period": period}
    try:
        answer = run(reporting.read(settings_of_environment(), wanted, narrowing=narrowing, **asked))
    except (QuestionError, ParameterError, ReportTooSlowError) as error:
        fail(str(error) or "the database took too long; ask for a shorter range")
    reporting.write(answer, form, output)


@jobs_app.command("list")
def list_jobs(*, as_json: AsJson = False) -> None:
    """List the jobs: how often each runs, its last run, and how much waits for it now."""
    _show(run(scheduling.listed(settings_of_environment())), "there are no jobs", as_json=as_json)


@jobs_app.command("run")
def run_job(
    name: Annotated[str, typer.Argument(help="As `loyalty jobs list` shows it.")], *, as_json: AsJson = False
) -> None:
    """Run a job now, whether or not its time has come; exit code 1 where something had to be left undone."""
    try:
        job, ended = run(scheduling.run(settings_of_environment(), name))
    except scheduling.NoJobError as error:
        fail(str(error))
    scheduling.show(job, ended, as_json=as_json)
    raise SystemExit(1 if ended.error is not None else 0)


@programme_app.command("show")
def show_programme(*, number: publishing.Number = None) -> None:
    """Write the programme that holds now to stdout, as a file to begin a draft from."""
    version = _with_draft(publishing.published(settings_of_environment(), number))
    sys.stderr.write(f"version {version.version}, valid from {version.valid_from:%Y-%m-%d %H:%M:%S %Z}\n")
    sys.stdout.write(publishing.written(version) + "\n")


@programme_app.command("versions")
def list_programmes(*, as_json: AsJson = False) -> None:
    """List the versions that were published, the newest first."""
    _show(run(publishing.versions(settings_of_environment())), "nothing was published", as_json=as_json)


@programme_app.command("check")
def check_programme(file: publishing.File) -> None:
    """Say what is wrong with a draft; exit code 1 where anything is."""
    _draft(file)
    out.print("the programme fits together")


@programme_app.command("diff")
def compare_programme(file: publishing.File, *, as_json: AsJson = False) -> None:
    """List what differs between the programme that holds now and a draft."""
    draft = _draft(file)
    _show(run(publishing.compared(settings_of_environment(), draft)), "nothing differs", as_json=as_json)


@programme_app.command("publish")
def publish_programme(file: publishing.File, *, valid_from: publishing.ValidFrom = None) -> None:
    """Publish a draft as a new version."""
    draft = _draft(file)
    version, is_new = _with_draft(publishing.publish(settings_of_environment(), draft, valid_from))
    since = f"version {version.version}, valid from {version.valid_from:%Y-%m-%d %H:%M:%S %Z}"
    out.print(f"published: {since}" if is_new else f"nothing changes: it is {since}")


def _draft(file: Path) -> Programme:
    try:
        return publishing.read(file)
    except publishing.DraftError as error:
        fail(str(error))


def _with_draft(command: Coroutine[Any, Any, Any]) -> Any:
    try:
        return run(command)
    except publishing.DraftError as error:
        fail(str(error))


@surprises_app.command("check")
def check_surprises(campaign: surprises.Campaign, *, as_json: AsJson = False) -> None:
    """Draw every purchase of a campaign again; exit code 1 where points were given without being drawn."""
    checked: surprises.Checked = _with_draw(surprises.check(settings_of_environment(), campaign))
    _show([checked.shown()], "", as_json=as_json)
    raise SystemExit(1 if checked.undrawn else 0)


@surprises_app.command("reveal")
def reveal_surprises(campaign: surprises.Campaign) -> None:
    """Write the secret of a campaign that is over to stdout, for whoever wants to repeat its draw."""
    secret: str = _with_draw(surprises.reveal(settings_of_environment(), campaign))
    sys.stderr.write("A draw is the first 7 bytes of SHA-256(secret, shop, 0x1f, invoice number)\n")
    sys.stdout.write(f"{secret}\n")


def _with_draw(command: Coroutine[Any, Any, Any]) -> Any:
    try:
        return run(command)
    except surprises.SurpriseError as error:
        fail(str(error))


@refunds_app.command("waiting")
def waiting_refunds(*, as_json: AsJson = False) -> None:
    """List refunds whose purchase has not come, the oldest first."""

    async def command() -> list[dict[str, Any]]:
        async with points_service(settings_of_environment()) as (points, _), points.engine.connect() as connection:
            rows = await queries.waiting_refunds(connection)
            return [{**row, "age": queries.age(row["received_at"], points.clock())} for row in rows]

    _show(run(command()), "no refund waits for its purchase", as_json=as_json)


@letters_app.command("list")
def list_letters(
    *,
    status: Annotated[str, typer.Option(help="open, replayed, dropped or all")] = "open",
    topic: Annotated[str | None, typer.Option(help="Only of this topic.")] = None,
    after: Annotated[int, typer.Option(help="Only those after this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List records that could not be processed, the oldest first."""

    async def command() -> list[dict[str, Any]]:
        async with points_service(settings_of_environment()) as (points, _), points.engine.connect() as connection:
            wanted = None if status == "all" else status
            found = await dead_letters.letters(connection, status=wanted, topic=topic, after=after, limit=limit)
            return [_brief(each) for each in found]

    _show(run(command()), "no dead letters", as_json=as_json)


def _brief(letter: dead_letters.DeadLetter) -> dict[str, Any]:
    place = "" if letter.partition is None else f"{letter.partition}/{letter.offset}"
    return {
        "id": letter.id,
        "topic": letter.topic,
        "place": place,
        "failed_at": letter.failed_at.isoformat(timespec="seconds"),
        "status": letter.status,
        "code": letter.code,
        "error": letter.error,
    }


@letters_app.command("show")
def show_letter(number: Number) -> None:
    """Show one, with its headers and its content as it came."""

    async def command() -> dead_letters.DeadLetter | None:
        async with points_service(settings_of_environment()) as (points, _), points.engine.connect() as connection:
            return await dead_letters.show(connection, number)

    letter: dead_letters.DeadLetter | None = run(command())
    if letter is None:
        fail(f"there is no dead letter {number}")
    for name, value in _brief(letter).items():
        out.print(f"{name}: {value}", markup=False)
    for name, content in letter.headers:
        out.print(f"header {name}: {_readable(content)}", markup=False)
    out.print(f"key: {_readable(letter.key)}", markup=False)
    sys.stdout.write(_readable(letter.value) + "\n")


def _readable(content: bytes | None) -> str:
    return "(none)" if content is None else content.decode(errors="backslashreplace")


@letters_app.command("replay")
def replay_letter(number: Number) -> None:
    """Try one again; it stays open where it is refused again."""

    async def command() -> Any:
        async with points_service(settings_of_environment()) as (points, _):
            subscription = handlers.subscription(points.ledger, clock=points.clock)
            return await dead_letters.replay(points.engine, subscription, number, now=points.clock())

    verdict = _settle(command())
    if verdict.status == "rejected":
        fail(f"refused again: {verdict.code}: {verdict.detail}")
    out.print(f"dead letter {number}: {verdict.status}")


@letters_app.command("drop")
def drop_letter(number: Number) -> None:
    """Settle one without another try."""

    async def command() -> None:
        async with points_service(settings_of_environment()) as (points, _), points.engine.begin() as connection:
            await dead_letters.drop(connection, number)

    _settle(command())
    out.print(f"dead letter {number}: dropped")


@keys_app.command("create")
def create_key(
    name: KeyName,
    scopes: Annotated[
        list[str], typer.Option("--scope", help=f"One or more of {', '.join(api_keys.SCOPES)} (everything).")
    ],
) -> None:
    """Make a key and show it, once."""
    _show_key(_with_keys(lambda connection, **when: api_keys.create(connection, name, scopes, **when)))


@keys_app.command("rotate")
def rotate_key(
    name: KeyName,
    *,
    grace_hours: Annotated[float, typer.Option(min=0, help="How long the one before is taken.")] = 24,
) -> None:
    """Make another key for somebody and show it, once."""
    grace = dt.timedelta(hours=grace_hours)
    _show_key(_with_keys(lambda connection, **when: api_keys.rotate(connection, name, grace=grace, **when)))


@keys_app.command("revoke")
def revoke_key(name: KeyName) -> None:
    """End every key of somebody; it takes effect within seconds."""
    ended = _with_keys(lambda connection, **when: api_keys.revoke(connection, name, **when))
    out.print(f"{name}: {ended} keys revoked" if ended > 1 else f"{name}: revoked")


@keys_app.command("list")
def list_keys(*, as_json: AsJson = False) -> None:
    """List every key that ever was, without its secret."""

    async def command() -> list[dict[str, Any]]:
        async with points_service(settings_of_environment()) as (points, _), points.engine.connect() as connection:
            return await api_keys.listed(connection, now=points.clock())

    _show(run(command()), "there is no API key: programs on this machine may ask for anything", as_json=as_json)


def _with_keys(change: Callable[..., Awaitable[Any]]) -> Any:
    """Change the keys in a transaction, in the name of whoever sits at the command line."""

    async def command() -> Any:
        async with points_service(settings_of_environment()) as (points, _), points.engine.begin() as connection:
            return await change(connection, now=points.clock(), actor=f"command line ({getpass.getuser()})")

    try:
        return run(command())
    except api_keys.KeysError as error:
        fail(str(error))


def _show_key(key: str) -> None:
    """Show a key on stdout alone, so that it can be piped to where it is kept."""
    sys.stderr.write("Keep this key; it is not shown again. It is sent as: Authorization: Bearer KEY\n")
    sys.stdout.write(f"{key}\n")


@app.command("audit")
def show_audit(
    *,
    actor: Annotated[str | None, typer.Option(help="Only what this one did.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only what was done to this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List who did what, the newest first; a purchase says in its own row who booked it."""

    async def command() -> list[dict[str, Any]]:
        async with points_service(settings_of_environment()) as (points, _), points.engine.connect() as connection:
            return await audit.deeds(connection, actor=actor, subject=subject, limit=limit)

    _show(run(command()), "nothing was done", as_json=as_json)


def _settle(command: Coroutine[Any, Any, Any]) -> Any:
    try:
        return run(command)
    except dead_letters.NotOpenError as error:
        fail(str(error))


def _show(rows: list[dict[str, Any]], nothing: str, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(rows, default=str) + "\n")
        return
    if not rows:
        out.print(nothing)
        return
    table = Table(header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    out.print(table)


def main() -> None:
    """The entry point of the installed command."""
    app()
