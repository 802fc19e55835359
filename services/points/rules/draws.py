"""The draw of surprises: which purchases a campaign with a share takes, so that whoever has its secret can repeat it."""

import hashlib
from collections.abc import Mapping

from services.points.programme import Programme

SECRET_BYTES = 32
DRAWN_BYTES = 7
OF = 1 << 8 * DRAWN_BYTES
"""A draw is a whole number below it."""

TRIAL = bytes(SECRET_BYTES)
"""Draws for trials of a programme: as many purchases as the real draw takes, but others."""


def draw(secret: bytes, shop_id: str, invoice_number: str) -> int:
    """Return the number of a purchase: no identifier holds what stands between its two names."""
    digest = hashlib.sha256(secret + f"{shop_id}\x1f{invoice_number}".encode()).digest()
    return int.from_bytes(digest[:DRAWN_BYTES], "big")


def commitment(secret: bytes) -> str:
    """Return what is public of a secret from its first day on, so that it can't be chosen anew afterwards."""
    return hashlib.sha256(secret).hexdigest()


def drawn(programme: Programme, secrets: Mapping[str, bytes], shop_id: str, invoice_number: str) -> frozenset[str]:
    """Return the campaigns that draw a purchase; without its secret a campaign draws none."""
    return frozenset(
        campaign.name
        for campaign in programme.drawing
        if (secret := secrets.get(campaign.name)) is not None
        and draw(secret, shop_id, invoice_number) < (campaign.share or 0) * OF
    )
