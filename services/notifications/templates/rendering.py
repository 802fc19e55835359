"""Renders a message in a sandbox: no template reaches anything but the values it is given."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import DictLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notifications.templates.formats import FILTERS, Reader

SHARED = {
    name: files("services.notifications.templates").joinpath(name).read_text("utf-8")
    for name in ("layout.html", "layout.txt", "parts.html")
}
"""What templates build on: `{% extends "layout.html" %}`, and `mail` for the parts."""


class Rendered(NamedTuple):
    """A message as a reader gets it."""

    language: str
    subject: str
    html: str
    text: str


class Source(NamedTuple):
    """A message as its template has it, in one language."""

    subject: str
    preheader: str
    html: str
    text: str


def _environment(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=DictLoader(SHARED),
        undefined=StrictUndefined,
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(FILTERS)
    return environment


PLAIN = _environment(autoescape=False)
HTML = _environment(autoescape=True)
HTML.globals["mail"] = HTML.get_template("parts.html").module


def render(source: Source, values: Mapping[str, Any], to: Reader) -> Rendered:
    """Return a message for a reader; a template that was checked fails only on values it never saw.

    Raises: `jinja2.TemplateError` and what arithmetic and look-ups raise.
    """
    known = {**values, "reader": to, "language": to.language}
    known["preheader"] = line(source.preheader, known)
    return Rendered(
        to.language,
        line(source.subject, known),
        compiled(HTML, source.html).render(known),
        compiled(PLAIN, source.text).render(known).strip() + "\n",
    )


@lru_cache(maxsize=1_024)
def compiled(environment: ImmutableSandboxedEnvironment, source: str) -> Template:
    """Return a template ready to be rendered; a million mails of one occasion take it once."""
    return environment.from_string(source)


def line(source: str, values: Mapping[str, Any]) -> str:
    """Return a text that fits a header: in one line, whatever the values hold."""
    return " ".join(compiled(PLAIN, source).render(values).split())
