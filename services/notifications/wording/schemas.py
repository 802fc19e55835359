"""What the API takes and answers of templates."""

import datetime as dt
from typing import Any

from pydantic import BaseModel, ConfigDict

from services.notifications.templates.document import Template
from services.notifications.templates.kinds import Kind

ENGLISH = {
    "subject": "Happy birthday, {{ salutation.familiar }}!",
    "preheader": "{{ gift.text }}",
    "html": (
        '{% extends "layout.html" %}{% block content %}{{ mail.title("Happy birthday!") }}'
        "{% call mail.text() %}{{ salutation.warm }}, a present is waiting for you.{% endcall %}"
        "{{ mail.box(gift.text, gift.code, gift.terms) }}{% endblock %}"
    ),
    "text": (
        '{% extends "layout.txt" %}{% block content %}{{ salutation.warm }}, a present is waiting for you: '
        "{{ gift.text }} {{ gift.code or '' }}{% endblock %}"
    ),
}
TEMPLATE: dict[str, Any] = {"kind": "occasion", "texts": {"en": ENGLISH}}
SAVED: dict[str, Any] = {
    "name": "birthday",
    "version": 1,
    "kind": "occasion",
    "languages": ["en"],
    "saved_at": "2026-11-23T09:15:00Z",
    "saved_by": "shop office",
}


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class TemplateDraft(Template):
    """A template to be saved, or tried."""

    model_config = _example(**TEMPLATE)


class TemplateBrief(BaseModel):
    """A template without its texts; version 0 is the default, which nobody saved."""

    model_config = _example(**SAVED)

    name: str
    version: int
    kind: Kind
    languages: list[str]
    saved_at: dt.datetime | None
    saved_by: str | None


class TemplateList(BaseModel):
    """All templates that hold, saved ones and defaults."""

    data: list[TemplateBrief]


class TemplateView(BaseModel):
    """A template, and who saved it when."""

    model_config = _example(
        name="birthday", version=1, saved_at="2026-11-23T09:15:00Z", saved_by="shop office", template=TEMPLATE
    )

    name: str
    version: int
    saved_at: dt.datetime | None
    saved_by: str | None
    template: Template


class SavedVersion(BaseModel):
    """A version that was saved, without its texts."""

    name: str
    version: int
    saved_at: dt.datetime
    saved_by: str


class SavedVersionPage(BaseModel):
    """A page of saved versions, the newest first."""

    data: list[SavedVersion]
    next_cursor: str | None


class Preview(BaseModel):
    """A message with everything that it may say, to somebody made up."""

    model_config = _example(
        language="en", subject="Happy birthday, Dear Anna!", html="<!doctype html>...", text="Dear Ms Muster, ...\n"
    )

    language: str
    subject: str
    html: str
    text: str
