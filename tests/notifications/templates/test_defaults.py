"""The templates of the beginning are whole, safe in every mail client, and say what they should in both languages."""

import datetime as dt
import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.notifications.programme import Programme, needed
from services.notifications.templates import formats
from services.notifications.templates.defaults import TEMPLATES
from services.notifications.templates.document import faults
from services.notifications.templates.formats import Gift
from services.notifications.templates.kinds import CONFIRM, UNSUBSCRIBE, is_promotional, samples
from services.notifications.templates.rendering import Rendered, render
from services.notifications.templates.salutations import Person, salutation

ANNA = Person("Frau", "Anna", "Muster")
EACH = [(name, language) for name in TEMPLATES for language in ("de", "en")]


def rendered(name: str, language: str, *, person: Person = ANNA, bare: bool = False, **more: Any) -> Rendered:
    template = TEMPLATES[name]
    people = [salutation(person, language)] * 2
    to = formats.reader(language, None, ZoneInfo("Europe/Berlin"))
    values = samples(template.kind, people, to)[bare] | more
    return render(template.texts[language].source, values, to)


def test_everything_that_is_said_has_a_template() -> None:
    wanted = {name: kind for _, name, kind in needed(Programme())}
    assert wanted == {name: template.kind for name, template in TEMPLATES.items()}


def test_none_has_a_fault() -> None:
    assert [fault for each in TEMPLATES.values() for fault in faults(each, languages=["de", "en"])] == []


@pytest.mark.parametrize(("name", "language"), EACH)
def test_a_mail_is_addressed_signed_and_can_be_unsubscribed_from(name: str, language: str) -> None:
    mail = rendered(name, language)
    for body in (mail.html, mail.text):
        assert ("Frau Muster" if language == "de" else "Dear Ms Muster") in body
        assert "Weinhaus am Markt" in body
        assert "50667 Köln" in body
        assert (UNSUBSCRIBE in body) is is_promotional(TEMPLATES[name].kind)
        assert (CONFIRM in body) is (name == "confirm_consent")


@pytest.mark.parametrize(("name", "language"), EACH)
def test_a_mail_loads_nothing_and_is_laid_out_in_tables_with_styles_of_its_own(name: str, language: str) -> None:
    html = rendered(name, language).html
    assert not re.search(r"<(img|link|script|iframe|form|svg)\b|@import|url\(|\bon\w+=", html)
    assert set(re.findall(r'href="([^"]+)"', html)) <= {
        "https://shop.example/",
        UNSUBSCRIBE,
        CONFIRM,
        "https://shop.example/preferences/preview",
    }
    assert 'role="presentation"' in html
    assert "max-width:600px" in html
    assert "prefers-color-scheme: dark" in html
    assert len(html) < 20_000  # a mail of 102 kB is cut off by some


@pytest.mark.parametrize(("name", "language"), EACH)
def test_what_is_known_of_nobody_leaves_no_gap(name: str, language: str) -> None:
    mail = rendered(name, language, person=Person(), bare=True)
    assert ("Guten Tag," if language == "de" else "Dear customer,") in mail.text
    assert "None" not in mail.subject + mail.text + mail.html
    assert "  ," not in mail.text
    assert mail.subject


@pytest.mark.parametrize(("name", "language"), EACH)
def test_the_text_has_no_markup(name: str, language: str) -> None:
    mail = rendered(name, language)
    assert not re.search(r"</?[a-z]+>|&[a-z]+;", mail.subject + mail.text)


def test_names_are_no_markup() -> None:
    mail = rendered("birthday", "en", person=Person("Ms", "Eve", "<b>&amp;"))
    assert "Dear Ms &lt;b&gt;&amp;amp;" in mail.html
    assert "Dear Ms <b>&amp;" in mail.text


def test_a_subject_stays_one_line_whatever_it_is_given() -> None:
    assert (
        rendered("tier_reached", "en", tier="Gold\r\nBcc: eve@example.com").subject
        == "Welcome to Gold Bcc: eve@example.com"
    )


def test_the_birthday_mail_in_plain_text() -> None:
    gift = Gift("10 % Rabatt", "BDAY-7K2M-9QF4-T3HJ", ("gültig bis 24. Dezember 2026",), dt.date(2026, 12, 24))
    mail = rendered("birthday", "de", gift=gift)
    assert mail.subject == "Alles Gute zum Geburtstag!"
    assert mail.text == (
        "Liebe Frau Muster,\n\n"
        "wir gratulieren Ihnen herzlich zum Geburtstag und wünschen Ihnen ein gesundes und glückliches neues "
        "Lebensjahr. Damit es gut anfängt, haben wir ein Geschenk für Sie:\n\n"
        "    10 % Rabatt\n    BDAY-7K2M-9QF4-T3HJ\n    gültig bis 24. Dezember 2026\n\n"
        "Im Onlineshop geben Sie den Code im Warenkorb ein, im Laden zeigen Sie ihn an der Kasse.\n\n"
        "Herzliche Grüße\nWeinhaus am Markt\n\n"
        "--\nWeinhaus am Markt\nAm Markt 1, 50667 Köln\nhttps://shop.example/\n\n"
        "Abbestellen: https://shop.example/unsubscribe/preview\n"
        "Nachrichten einstellen: https://shop.example/preferences/preview\n"
    )


@pytest.mark.parametrize(
    ("points", "language", "subject"),
    [
        (80, "de", "80 Punkte verfallen am 31. Januar 2027"),
        (1, "de", "1 Punkt verfällt am 31. Januar 2027"),
        (1280, "en", "1,280 points expire on January 31, 2027"),
    ],
)
def test_what_expires_stands_in_the_subject(points: int, language: str, subject: str) -> None:
    assert rendered("points_expiring", language, points=points).subject == subject
