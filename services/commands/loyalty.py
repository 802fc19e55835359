"""The `loyalty` command: serve, migrate, import, prove the books, look after what waits and what failed."""

from typing import Annotated, Any

import typer

from services import documents
from services.commands import (
    books,
    customers,
    demo,
    importing,
    jobs,
    keys,
    letters,
    programme,
    refunds,
    reporting,
    serving,
    surprises,
)
from services.commands.terminal import fail, out, run, settings_of_environment
from services.points.imports.presets import MappingError
from services.points.imports.records import FileError
from shared.reports.questions import QuestionError
from shared.reports.reader import ParameterError, ReportTooSlowError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.command("serve")(serving.serve_all)
app.command("migrate")(serving.migrate)
app.command("verify")(books.verify)
app.command("audit")(books.show_audit)
app.add_typer(serving.app, name="services")
app.add_typer(refunds.app, name="refunds")
app.add_typer(letters.app, name="dead-letters")
app.add_typer(customers.app, name="customers")
app.add_typer(keys.app, name="keys")
app.add_typer(programme.app, name="programme")
app.add_typer(surprises.app, name="surprises")
app.add_typer(jobs.app, name="jobs")


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
    code: reporting.Code = None,
    limit: reporting.Limit = None,
    cost_per_point: reporting.Cost = None,
    form: reporting.Format = reporting.Form.TABLE,
    output: reporting.Output = None,
) -> None:
    """Read a report: retention, turnover, points outstanding, …; without a name, list what there is."""
    if wanted is None:
        reporting.show_all()
        return
    narrowing = {
        "shop_id": shop,
        "currency": currency,
        "rule": rule,
        "code": code,
        "limit": limit,
        "cost_per_point": cost_per_point,
    }
    asked = {"first": first, "end": end, "period": period}
    try:
        answer = run(reporting.read(settings_of_environment(), wanted, narrowing=narrowing, **asked))
    except (QuestionError, ParameterError, ReportTooSlowError) as error:
        fail(str(error) or "the database took too long; ask for a shorter range")
    reporting.write(answer, form, output)
