"""A template as shops write it, in several languages, and everything that is wrong with one before it is saved."""

import traceback
from collections.abc import Collection, Iterator
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes
from pydantic import Field, StringConstraints

from services.notifications.templates import formats, rendering
from services.notifications.templates.kinds import CONFIRM, UNSUBSCRIBE, Kind, is_promotional, samples
from services.notifications.templates.rendering import Rendered, Source
from services.notifications.templates.salutations import Person, salutation
from shared.contracts.coupons import ONLY_THESE, Language
from shared.documents import Document, Fault

Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=1_000)]
Page = Annotated[str, StringConstraints(pattern=r"^[^\x00]+$", max_length=100_000)]

FIELDS = ("subject", "preheader", "html", "text")
PEOPLE = (Person("Frau", "Anna", "Muster"), Person())
BROKEN = (TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a template can do wrong while it is rendered."""


class Wording(Document):
    """A message in one language; `preheader` is what a mail client shows beside the subject."""

    subject: Line
    preheader: Line | None = None
    html: Page
    text: Page

    @property
    def source(self) -> Source:
        return Source(self.subject, self.preheader or "", self.html, self.text)


class Template(Document):
    """What messages of a kind say; versioned by whoever stores it."""

    kind: Kind
    texts: Annotated[dict[Language, Wording], Field(min_length=1, max_length=50, json_schema_extra=ONLY_THESE)]


class Stored(NamedTuple):
    """A template as it was saved; version 0 is what a name says before a shop saved its own."""

    name: str
    version: int
    template: Template


def faults(template: Template, *, languages: Collection[str]) -> list[Fault]:
    """Return everything that is wrong with a template that has to be there in these languages."""
    found = [
        Fault("/texts", "language-missing", f"there is no text in {each}")
        for each in sorted(set(languages) - template.texts.keys())
    ]
    for language, wording in template.texts.items():
        pointer = f"/texts/{language}"
        of_fields = [fault for field in FIELDS for fault in _of_field(pointer, field, wording, template.kind)]
        # what can't be read, or names what isn't there, would only fail once more
        found += of_fields or list(_trial(pointer, language, wording, template.kind))
    return found


def preview(template: Template, language: str) -> Rendered:
    """Return what a message looks like with everything that it may say; of a template without faults."""
    [values, _] = _previews(template.kind, language)
    return rendering.render(template.texts[language].source, values, values["reader"])


def _of_field(pointer: str, field: str, wording: Wording, kind: Kind) -> Iterator[Fault]:
    environment = rendering.HTML if field == "html" else rendering.PLAIN
    try:
        tree = environment.parse(getattr(wording, field) or "")
        yield from _unknown(f"{pointer}/{field}", tree, kind)
        environment.compile(tree)
    except TemplateSyntaxError as error:
        yield Fault(f"{pointer}/{field}", "syntax", f"line {error.lineno}: {error.message}")


def _unknown(pointer: str, tree: nodes.Template, kind: Kind) -> Iterator[Fault]:
    known = set(_previews(kind, "en")[0])
    # what a template sets for all its blocks is seen in them, though each of them is read for itself
    known |= {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    unknown = meta.find_undeclared_variables(tree) - known
    for name in tree.find_all(nodes.Name):
        if name.name in unknown and name.ctx == "load":
            unknown.remove(name.name)
            yield Fault(pointer, "variable-unknown", f"line {name.lineno}: {kind} has no {name.name!r}")


def _trial(pointer: str, language: str, wording: Wording, kind: Kind) -> Iterator[Fault]:
    """What comes to light when it is rendered, where there is much to tell to somebody known, and little to nobody."""
    for field in FIELDS:
        try:
            full, _ = [_rendered(field, wording, values) for values in _previews(kind, language)]
        except BROKEN as error:
            yield Fault(f"{pointer}/{field}", "broken", f"line {_line(error)}: {error}")
            continue
        if field in {"html", "text"} and is_promotional(kind) and UNSUBSCRIBE not in full:
            yield Fault(
                f"{pointer}/{field}", "unsubscribe-missing", "it has to say links.unsubscribe, as the layout does"
            )
        if field in {"html", "text"} and kind == "confirm_consent" and CONFIRM not in full:
            yield Fault(
                f"{pointer}/{field}", "confirm-missing", "it has to say links.confirm: nothing else asks for it"
            )


def _previews(kind: Kind, language: str) -> list[dict[str, Any]]:
    to = formats.reader(language, None, ZoneInfo("UTC"))
    people = [salutation(person, language) for person in PEOPLE]
    return [{**values, "reader": to} for values in samples(kind, people, to)]


def _rendered(field: str, wording: Wording, values: dict[str, Any]) -> str:
    environment = rendering.HTML if field == "html" else rendering.PLAIN
    return rendering.compiled(environment, getattr(wording, field) or "").render(values)


def _line(error: Exception) -> int:
    """The line of the template itself, were it the layout that stumbled over what it was given."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 1 for frame in reversed(frames) if frame.filename == "<template>"), 1)
