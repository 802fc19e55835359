"""Where the links of messages lead: out of a consent, and to all that a customer agreed to."""

from typing import NamedTuple


class Links(NamedTuple):
    """None leads anywhere until it is known where the service stands."""

    def unsubscribe(self, customer_id: str, channel: str, purpose: str) -> str | None:  # noqa: ARG002
        return None

    def preferences(self, customer_id: str) -> str | None:  # noqa: ARG002
        return None


NOWHERE = Links()
