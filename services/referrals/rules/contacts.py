"""Contact data that names the same person: normalised, and kept as a keyed hash only (rule 24)."""

import hmac
import ipaddress
from typing import Literal, NamedTuple

import phonenumbers


class Provider(NamedTuple):
    """How a mail provider reads the part before the @."""

    domain: str
    ignores_dots: bool = False


GMAIL = Provider("gmail.com", ignores_dots=True)
PROTON = Provider("proton.me")
TAGGING = (
    *("outlook.com", "outlook.de", "hotmail.com", "hotmail.de", "live.com", "live.de"),
    *("icloud.com", "me.com", "mac.com", "fastmail.com", "fastmail.fm"),
)
PROVIDERS = {
    "gmail.com": GMAIL,
    "googlemail.com": GMAIL,
    "proton.me": PROTON,
    "protonmail.com": PROTON,
    "pm.me": PROTON,
    **{domain: Provider(domain) for domain in TAGGING},
}
"""Those who deliver `name+tag` to `name`, under the domain that theirs are one with."""

Kind = Literal["email", "phone", "address", "request"]

HOME_BITS = 64
"""So many bits of an IPv6 address one home has; it chooses the others anew every day."""


def email(text: str) -> str | None:
    """Return the address that mail to `text` ends at; none where it is no address."""
    local, at, domain = text.strip().casefold().rpartition("@")
    domain = _ascii(domain)
    if not (at and local and domain):
        return None
    provider = PROVIDERS.get(domain)
    if provider is None:
        return f"{local}@{domain}"
    name = local.partition("+")[0] or local
    name = (name.replace(".", "") or name) if provider.ignores_dots else name
    return f"{name}@{provider.domain}"


def _ascii(domain: str) -> str:
    """An international domain in the letters that mail servers know; empty where it is none."""
    try:
        return domain.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""


def phone(text: str, region: str) -> str | None:
    """Return a number in E.164, read as in `region` where it says no country; none where it is no number."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    # a possible one is enough: new ranges are assigned faster than the library knows
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def address(text: str) -> str:
    """Return an address as it is compared: an IP address in one spelling, a postal one without its case and blanks."""
    words = " ".join(text.casefold().split())
    try:
        found = ipaddress.ip_address(words)
    except ValueError:
        return words
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else found
    return str(mapped or ipaddress.ip_network((found, HOME_BITS), strict=False))


def keyed_hash(kind: Kind, normalised: str, secret: bytes) -> bytes:
    """Return what is kept in place of contact data: without the secret nobody can try addresses against it."""
    return hmac.digest(secret, f"{kind}:{normalised}".encode(), "sha256")
