"""Pages as they are sent: without scripts, without anything from elsewhere, for nobody's index and nobody's cache."""

import base64
import hashlib
from importlib.resources import files
from typing import Any, NamedTuple

from fastapi.responses import HTMLResponse
from jinja2 import DictLoader, Environment, StrictUndefined

from services.notifications.pages.words import WORDS, Notice, Words
from services.notifications.programme import Sender

HERE = files("services.notifications.pages")
STYLE = HERE.joinpath("style.css").read_text("utf-8")

PAGES = Environment(
    loader=DictLoader(
        {name: HERE.joinpath(name).read_text("utf-8") for name in ("layout.html", "notice.html", "preferences.html")}
    ),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.globals["style"] = STYLE

DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{DIGEST}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Look(NamedTuple):
    """For whom a page is: their language, and the shop that speaks."""

    language: str
    sender: Sender

    @property
    def words(self) -> Words:
        return WORDS[self.language]


def notice(
    look: Look, said: Notice, *, status: int = 200, button: str | None = None, preferences: str | None = None
) -> HTMLResponse:
    """Return a page that tells something: with a `button` that does it, or a link to the `preferences`."""
    return _page("notice.html", look, said, status, button=button, preferences=preferences)


def preference_page(look: Look, channels: list[tuple[str, list[dict[str, Any]]]], *, saved: bool) -> HTMLResponse:
    return _page("preferences.html", look, look.words.preferences, 200, channels=channels, saved=saved)


def _page(name: str, look: Look, said: Notice, status: int, **values: object) -> HTMLResponse:
    sender = look.sender
    html = PAGES.get_template(name).render(
        language=look.language,
        words=look.words,
        title=said.title,
        text=said.text,
        shop=sender.called(look.language),
        website=sender.website,
        postal_address=sender.postal_address,
        **values,
    )
    return HTMLResponse(html, status, dict(HEADERS))
