"""The names that claims have for ever: one for each way in which a claim can come, so that it is made once."""

import uuid

CLAIMS = uuid.UUID("b3b7c6f2-52a1-4f0a-9f4e-7a1d0c4f6a01")


def claim_of_purchase(shop_id: str, invoice_number: str) -> str:
    """Return the name of the claim that a purchase makes."""
    return str(uuid.uuid5(CLAIMS, f"purchase\x1f{shop_id}\x1f{invoice_number}"))


def claim_of_event(source: str, event_id: str) -> str:
    """Return the name of the claim that an event about a customer makes."""
    return str(uuid.uuid5(CLAIMS, f"event\x1f{source}\x1f{event_id}"))
