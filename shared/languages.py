"""Which of the languages that a text has a reader wants."""

from collections.abc import Collection, Iterable


def accepted(header: str) -> list[str]:
    """Return the languages of an `Accept-Language` header (RFC 9110, 12.5.4), the best first; what is malformed is left out."""
    found = []
    for place, each in enumerate(header.split(",")[:50]):
        language, _, weight = each.strip().partition(";")
        quality = _quality(weight.strip())
        if language.strip() not in {"", "*"} and quality > 0:
            found.append((-quality, place, language.strip()))
    return [language for _, _, language in sorted(found)]


def _quality(weight: str) -> float:
    if not weight:
        return 1.0
    try:
        quality = float(weight.removeprefix("q="))
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


def choose(wanted: Iterable[str], offered: Collection[str], default: str) -> str:
    """Return the first wanted language that is offered, exactly or in its main form: `de` for `de-AT`, and the other way."""
    by_name = {each.lower(): each for each in sorted(offered, reverse=True)}
    by_main = {each.lower().split("-")[0]: each for each in sorted(offered, reverse=True)}
    for each in wanted:
        name = each.lower()
        main = name.split("-")[0]
        found = by_name.get(name) or by_name.get(main) or by_main.get(main)
        if found is not None:
            return found
    return default
