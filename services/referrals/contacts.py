"""Contact data as it arrives, made into what is kept: hashes that only this installation's secret makes."""

from collections.abc import Callable
from functools import cached_property

from services.referrals.commands import Contact
from services.referrals.rules import contacts
from services.referrals.settings import ReferralsSettings
from shared.kept_keys import reader_of


class Contacts:
    """Hashes contact data; phone numbers without a country are read as of `region`."""

    def __init__(self, read_secret: Callable[[], bytes], region: str) -> None:
        self._read_secret = read_secret
        self._region = region

    @cached_property
    def _secret(self) -> bytes:
        return self._read_secret()

    @cached_property
    def pepper(self) -> bytes:
        """What makes a digest of a whole request one that only this installation can make."""
        return contacts.keyed_hash("request", "", self._secret)

    def hashed(self, *, email: str | None = None, phone: str | None = None, address: str | None = None) -> Contact:
        """Return the hashes of what was said; what is no e-mail address or phone number counts as not said."""
        return Contact(
            self._hash("email", None if email is None else contacts.email(email)),
            self._hash("phone", None if phone is None else contacts.phone(phone, self._region)),
            self._hash("address", None if address is None else contacts.address(address)),
        )

    def _hash(self, kind: contacts.Kind, normalised: str | None) -> bytes | None:
        return None if normalised is None else contacts.keyed_hash(kind, normalised, self._secret)


def contacts_of(settings: ReferralsSettings) -> Contacts:
    """Return what hashes contact data here. Raises `SettingsError` where no secret is set for a database that others have."""
    read_secret = reader_of(settings, "referrals_contact_key", beside="referrals_database_url", file="contact.key")
    return Contacts(read_secret, settings.referrals_phone_region)
