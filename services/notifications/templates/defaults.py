"""The templates of the beginning: what every message says until a shop writes its own."""

import tomllib
from importlib.resources import files

from services.notifications.templates.document import Template

NAMES = (
    "welcome",
    "birthday",
    "christmas",
    "appreciation_day",
    "anniversary",
    "points_digest",
    "points_expiring",
    "tier_reached",
    "tier_dropping",
    "referral_rewarded",
    "pair_waiting",
    "coupon_expiring",
    "confirm_consent",
)


def _read(name: str) -> Template:
    text = files("services.notifications.templates").joinpath("texts", f"{name}.toml").read_text("utf-8")
    return Template.model_validate(tomllib.loads(text))


TEMPLATES = {name: _read(name) for name in NAMES}
