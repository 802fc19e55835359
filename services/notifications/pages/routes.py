"""The pages that signed links lead to: nothing changes by looking at them, since what scans mail follows every link.

A `POST` to a link to unsubscribe does it at once, whatever its form says: by the button, and by one click of a mail client
(RFC 8058), which has neither a login nor cookies.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, cast

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from services.notifications.asking import service_of
from services.notifications.commands import Command, ConfirmConsent, HearConsent, Outcome
from services.notifications.commands import Request as Commands
from services.notifications.consents import queries
from services.notifications.links import Confirm, Deed, Preferences, Unsubscribe
from services.notifications.pages.choices import channels_of, chosen, rows_of
from services.notifications.pages.rendering import Look, notice, preference_page
from services.notifications.pages.visits import Visits
from services.notifications.pages.words import LANGUAGES, Notice, filled
from services.notifications.programme import Programme
from services.notifications.records import ConsentKey
from services.notifications.rules.consent import Consent, ConsentPurpose, Proof, Refused, confirm
from shared import languages
from shared.asking import booked
from shared.errors import problem_responses

router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)

Token = Annotated[str, Path(description="of a link in a message")]

LINK, ONE_CLICK = "link in mail", "one click in a mail client"
CLICK = b"One-Click"


def _page(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/html": {"schema": {"type": "string"}}}}


PAGES: dict[int | str, dict[str, Any]] = {
    **{status: each for status, each in problem_responses().items() if status in {413, 422, 503}},
    200: _page("the page"),
    404: _page("nobody here made this link"),
    410: _page("it is over: the link, or the customer was erased"),
    429: _page("too many requests within a minute"),
}


def _form(**fields: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields}
    return {"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


NAMES = {"type": "array", "items": {"type": "string", "examples": ["email/offers"]}}


@dataclass(frozen=True, slots=True)
class Visit(Generic[Deed]):
    """Somebody with a link of ours, and how they stand."""

    deed: Deed
    look: Look
    programme: Programme
    consents: Mapping[ConsentKey, Consent]
    now: dt.datetime

    def consent(self, deed: Unsubscribe | Confirm) -> Consent | None:
        """Return the consent that a link is about, under whichever name its customer goes on."""
        about = deed.channel, deed.purpose
        return next((each for (_, *key), each in self.consents.items() if tuple(key) == about), None)


@router.get("/unsubscribe/{token:segment}", responses=PAGES, summary="Ask whether somebody wants to unsubscribe")
async def ask_unsubscribe(http: Request, token: Token) -> Response:
    visit = await _visit(http, token, Unsubscribe)
    if isinstance(visit, Response):
        return visit
    words, deed = visit.look.words, visit.deed
    consent = visit.consent(deed)
    if consent is not None and consent.state == "withdrawn":
        return _told(http, visit.look, words.unsubscribed, deed)
    return notice(visit.look, _about(visit.look, words.unsubscribe, deed), button=words.unsubscribe_button)


@router.post(
    "/unsubscribe/{token:segment}",
    responses=PAGES,
    openapi_extra=_form(**{"List-Unsubscribe": {"type": "string", "examples": ["One-Click"]}}),
    summary="Unsubscribe at once (RFC 8058)",
)
async def unsubscribe(http: Request, token: Token) -> Response:
    visit = await _visit(http, token, Unsubscribe)
    if isinstance(visit, Response):
        return visit
    words, deed = visit.look.words, visit.deed
    text = filled(words, words.refuse, deed.channel, deed.purpose)
    how = ONE_CLICK if CLICK in await http.body() else LINK
    outcome = await _book(http, HearConsent(*_key(deed), is_given=False, how=how, text=text))
    return _refused(visit.look, outcome) or _told(http, visit.look, words.unsubscribed, deed)


@router.get("/confirm/{token:segment}", responses=PAGES, summary="Ask whether it was them who agreed")
async def ask_confirm(http: Request, token: Token) -> Response:
    visit = await _visit(http, token, Confirm)
    if isinstance(visit, Response):
        return visit
    words, deed = visit.look.words, visit.deed
    consent = visit.consent(deed)
    if consent is not None and consent.state == "given":
        return _told(http, visit.look, words.confirmed, deed)
    if not _is_open(visit, consent):
        return notice(visit.look, words.late, status=410)
    return notice(visit.look, _about(visit.look, words.confirm, deed), button=words.confirm_button)


@router.post("/confirm/{token:segment}", responses=PAGES, summary="Confirm that they agreed")
async def confirm_consent(http: Request, token: Token) -> Response:
    visit = await _visit(http, token, Confirm)
    if isinstance(visit, Response):
        return visit
    words, deed = visit.look.words, visit.deed
    text = filled(words, words.agree, deed.channel, deed.purpose)
    asked_at = dt.datetime.fromisoformat(deed.asked_at)
    outcome = await _book(http, ConfirmConsent(*_key(deed), asked_at, LINK, text))
    return _refused(visit.look, outcome) or _told(http, visit.look, words.confirmed, deed)


@router.get("/preferences/{token:segment}", responses=PAGES, summary="What somebody receives, to be changed")
async def show_preferences(http: Request, token: Token) -> Response:
    visit = await _visit(http, token, Preferences)
    return visit if isinstance(visit, Response) else _preferences(visit, visit.consents, saved=False)


@router.post(
    "/preferences/{token:segment}",
    responses=PAGES,
    openapi_extra=_form(shown=NAMES, on=NAMES, do={"type": "string", "enum": ["save", "nothing"]}),
    summary="Change what somebody receives",
)
async def choose_preferences(http: Request, token: Token) -> Response:
    visit = await _visit(http, token, Preferences)
    if isinstance(visit, Response):
        return visit
    customer_id, channels = visit.deed.customer_id, channels_of(visit.programme, visit.consents)
    outcome = await _book(http, chosen(await http.body(), customer_id, visit.look.words, channels))
    refusal = _refused(visit.look, outcome)
    if refusal is not None:
        return refusal
    async with service_of(http).engine.connect() as connection:
        consents = await queries.consents(connection, customer_id)
    return _preferences(visit, consents, saved=True)


# Who comes


async def _visit(http: Request, token: str, deed: type[Deed]) -> Visit[Deed] | Response:
    """Return who comes with a token, or the page that turns them away."""
    notifications, visits = service_of(http), cast("Visits", http.app.state.visits)
    found, now = notifications.links.read(token, deed), notifications.clock()
    async with notifications.engine.connect() as connection:
        programme = (await notifications.delivery.versions(connection)).at(now).programme
        if found is None:
            return _turned_away(_look(http, None, programme), visits.stranger(_address(http)))
        customer = await queries.known(connection, found.customer_id)
        consents = await queries.consents(connection, found.customer_id)
    look = _look(http, None if customer is None else customer.language, programme)
    if (seconds := visits.customer(found.customer_id)) is not None:
        return _turned_away(look, seconds)
    if customer is not None and customer.is_erased:
        return notice(look, look.words.erased, status=410)
    return Visit(found, look, programme, consents, now)


def _address(http: Request) -> str:
    return "" if http.client is None else http.client.host


def _look(http: Request, language: str | None, programme: Programme) -> Look:
    accepted = languages.accepted(http.headers.get("accept-language", ""))
    wanted = [*([language] if language else []), *accepted, programme.default_language]
    return Look(languages.choose(wanted, LANGUAGES, "en"), programme.sender)


def _turned_away(look: Look, seconds: int | None) -> Response:
    if seconds is None:
        return notice(look, look.words.unknown, status=404)
    page = notice(look, look.words.busy, status=429)
    page.headers["Retry-After"] = str(seconds)
    return page


# What they do


async def _book(http: Request, command: Command) -> Outcome:
    reply = await booked(http, Commands([command]))
    outcome: Outcome = reply.outcomes[0]
    return outcome


def _refused(look: Look, outcome: Outcome) -> Response | None:
    if outcome.status != "refused":
        return None
    said = look.words.erased if outcome.code == "customer-erased" else look.words.late
    return notice(look, said, status=410)


def _told(http: Request, look: Look, said: Notice, deed: Unsubscribe | Confirm) -> Response:
    preferences = service_of(http).links.preferences(deed.customer_id)
    return notice(look, _about(look, said, deed), preferences=preferences)


def _about(look: Look, said: Notice, deed: Unsubscribe | Confirm) -> Notice:
    return Notice(said.title, filled(look.words, said.text, deed.channel, deed.purpose))


def _key(deed: Unsubscribe | Confirm) -> ConsentKey:
    return deed.customer_id, deed.channel, cast("ConsentPurpose", deed.purpose)


def _is_open(visit: Visit[Confirm], consent: Consent | None) -> bool:
    is_newest = (
        consent is not None and consent.asked is not None and consent.asked.at.isoformat() == visit.deed.asked_at
    )
    trial = confirm(consent, Proof(visit.now, LINK, ""), within_days=visit.programme.confirm_days)
    return is_newest and not isinstance(trial, Refused)


def _preferences(visit: Visit[Preferences], consents: Mapping[ConsentKey, Consent], *, saved: bool) -> Response:
    return preference_page(visit.look, rows_of(visit.look.words, visit.programme, consents, visit.now), saved=saved)
