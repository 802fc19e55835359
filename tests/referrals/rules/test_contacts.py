"""Contact data that names the same person comes out the same, and no other."""

import pytest

from services.referrals.rules.contacts import address, email, keyed_hash, phone


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("Anna@Example.COM", "anna@example.com"),
        (" anna@example.com ", "anna@example.com"),
        ("an.na+shop@example.com", "an.na+shop@example.com"),
        ("An.Na+shop@gmail.com", "anna@gmail.com"),
        ("a.n.n.a@GoogleMail.com", "anna@gmail.com"),
        ("an.na+1@outlook.com", "an.na@outlook.com"),
        ("anna+1@hotmail.com", "anna@hotmail.com"),
        ("anna+1@live.com", "anna@live.com"),
        ("anna+1@icloud.com", "anna@icloud.com"),
        ("anna+1@me.com", "anna@me.com"),
        ("anna+1@mac.com", "anna@mac.com"),
        ("anna+1@fastmail.com", "anna@fastmail.com"),
        ("anna+1@protonmail.com", "anna@proton.me"),
        ("anna@pm.me", "anna@proton.me"),
        ("anna-shop@yahoo.com", "anna-shop@yahoo.com"),
        ("anna+1@yahoo.com", "anna+1@yahoo.com"),
        ("+tag@gmail.com", "+tag@gmail.com"),
        ("...@gmail.com", "...@gmail.com"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("anna@XN--BCHER-KVA.example", "anna@xn--bcher-kva.example"),
        ("anna@example.com.", "anna@example.com"),
        ("anna", None),
        ("@example.com", None),
        ("anna@", None),
        ("anna@a..b", None),
    ],
)
def test_an_address_is_where_its_mail_ends(text: str, normalised: str | None) -> None:
    assert email(text) == normalised


@pytest.mark.parametrize(
    ("text", "region", "normalised"),
    [
        ("030 901820", "DE", "+4930901820"),
        ("(030) 90-18-20", "DE", "+4930901820"),
        ("+49 30 901820", "AT", "+4930901820"),
        ("0049 30 901820", "DE", "+4930901820"),
        ("+49 (0)30 901820", "DE", "+4930901820"),
        ("044 668 18 00", "CH", "+41446681800"),
        ("12", "DE", None),
        ("call me", "DE", None),
        ("", "DE", None),
    ],
)
def test_a_number_is_the_same_however_it_is_written(text: str, region: str, normalised: str | None) -> None:
    assert phone(text, region) == normalised


def test_a_hash_is_of_its_kind_and_of_its_key() -> None:
    hashes = {
        keyed_hash("email", "anna@example.com", b"key"),
        keyed_hash("phone", "anna@example.com", b"key"),
        keyed_hash("email", "anna@example.com", b"another"),
        keyed_hash("email", "bert@example.com", b"key"),
    }
    assert len(hashes) == 4
    assert keyed_hash("email", "anna@example.com", b"key") in hashes


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        (" 203.0.113.7 ", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0:1::7", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:aaaa:bbbb:cccc:dddd", "2001:db8:0:1::/64"),
        ("Hauptstraße  1,\t10115 BERLIN", "hauptstrasse 1, 10115 berlin"),
        ("", ""),
    ],
)
def test_an_address_is_compared_and_not_its_spelling(text: str, compared: str) -> None:
    assert address(text) == compared
