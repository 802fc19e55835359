"""A template is checked as it is saved: each fault with the place and the line it lies in."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.notifications.templates.document import Template, faults, preview

FOOT = "{{ links.unsubscribe }}"
FINE = {"subject": "Hello", "html": f"<p>{{{{ gift.text }}}}</p>{FOOT}", "text": f"{{{{ gift.text }}}} {FOOT}"}


def template(kind: str = "occasion", **more: str) -> Template:
    return Template.model_validate({"kind": kind, "texts": {"en": {**FINE, **more}}})


def found(kind: str = "occasion", **more: str) -> list[tuple[str, str, str]]:
    return [(fault.pointer, fault.code, fault.detail) for fault in faults(template(kind, **more), languages=["en"])]


def test_a_good_template_has_no_faults() -> None:
    assert found() == []


def test_a_language_that_customers_need_is_missed() -> None:
    missing = faults(template(), languages=["en", "fr", "de"])
    assert [(fault.code, fault.detail) for fault in missing] == [
        ("language-missing", "there is no text in de"),
        ("language-missing", "there is no text in fr"),
    ]


@pytest.mark.parametrize(
    ("field", "source", "code", "line"),
    [
        ("html", "a\nb\n{{ gift.text }", "syntax", 3),
        ("html", "a\n{% if gift %}", "syntax", 2),
        ("subject", "{{ gift.text | shout }}", "syntax", 1),
        ("text", "a\n{{ gift.text }}\n{{ present }}", "variable-unknown", 3),
        ("html", "{% if gift %}\n{{ gfit.text }}{% endif %}", "variable-unknown", 2),
        ("preheader", "{{ points }}", "variable-unknown", 1),
        ("html", "a\n{{ gift.txt }}", "broken", 2),
        ("html", "\n\n{{ 1 / 0 }}", "broken", 3),
        ("html", "{{ gift.text | day }}", "broken", 1),
        ("html", "\n{% include 'other.html' %}", "broken", 2),
        ("html", "{{ salutation.__class__.__mro__ }}", "broken", 1),
        ("html", "{{ ''.__class__ }}", "broken", 1),
        ("html", "{{ gift._replace(text='') }}", "broken", 1),
        ("html", "{{ '{0.__class__}'.format(gift) }}", "broken", 1),
        ("html", "{% for each in range(1000000) %}{% endfor %}", "broken", 1),
    ],
)
def test_what_is_wrong_is_said_with_its_line(field: str, source: str, code: str, line: int) -> None:
    [(pointer, is_code, detail)] = found(**{field: source})
    assert (pointer, is_code) == (f"/texts/en/{field}", code)
    assert detail.startswith(f"line {line}: ")


def test_every_unknown_variable_is_named_once() -> None:
    faulty = found(html="{{ a }}{{ b }}{{ a }}", text="{{ c }}")
    assert [detail for _, _, detail in faulty] == [
        "line 1: occasion has no 'a'",
        "line 1: occasion has no 'b'",
        "line 1: occasion has no 'c'",
    ]


def test_each_kind_has_variables_of_its_own() -> None:
    assert found("points_expiring", html="{{ points | number }} {{ on | day }}", text="{{ available }}") == []
    assert found("tier_reached", html=f"{{{{ gift }}}}{FOOT}", text=FOOT)[0][1] == "variable-unknown"


def test_what_is_not_always_there_must_be_asked_for() -> None:
    sure = "{% if rung %}{{ rung + 1 }}{% endif %}"
    assert found("referral_rewarded", html=sure + FOOT) == []
    assert found("referral_rewarded", html="{{ rung + 1 }}" + FOOT)[0][1] == "broken"


def test_what_a_template_sets_or_imports_is_known() -> None:
    html = '{% extends "layout.html" %}{% set who = salutation.warm %}{% block content %}{{ mail.title(who) }}{% endblock %}'
    assert found(html=html) == []


def test_what_is_promotional_offers_the_way_out_and_what_must_be_said_need_not() -> None:
    assert [(pointer, code) for pointer, code, _ in found(html="<p>Hello</p>", text="Hello")] == [
        ("/texts/en/html", "unsubscribe-missing"),
        ("/texts/en/text", "unsubscribe-missing"),
    ]
    assert found("points_expiring", html="<p>Hello</p>", text="Hello") == []


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "other", "texts": {"en": FINE}},
        {"kind": "occasion", "texts": {}},
        {"kind": "occasion", "texts": {"en": {**FINE, "subject": "a\nb"}}},
        {"kind": "occasion", "texts": {"en": {"subject": "a", "html": "b"}}},
        {"kind": "occasion", "texts": {"en": {**FINE, "body": "c"}}},
    ],
)
def test_what_is_no_template_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Template.model_validate(document)


def test_a_preview_shows_all_that_a_message_may_say() -> None:
    shown = preview(template(html="{{ gift.code }} {{ gift.until | day }} {{ salutation.formal }}" + FOOT), "en")
    assert shown.subject == "Hello"
    assert shown.html.startswith("GIFT-7K2M-9QF4-T3HJ December 24, 2026 Dear Ms Muster")


def test_a_question_has_to_say_where_it_is_answered() -> None:
    plain = {"html": "<p>Please confirm until {{ until | day }}</p>", "text": "{{ links.confirm }}"}
    assert found("confirm_consent", **plain) == [
        ("/texts/en/html", "confirm-missing", "it has to say links.confirm: nothing else asks for it")
    ]
