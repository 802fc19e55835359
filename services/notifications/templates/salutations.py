"""How a letter addresses its reader, in German and English; where little is known of them, without guessing."""

from typing import NamedTuple

WOMEN = {"frau": "Ms", "fr.": "Ms", "ms": "Ms", "ms.": "Ms", "mrs": "Mrs", "mrs.": "Mrs", "miss": "Miss", "madam": "Ms"}
MEN = {"herr": "Mr", "herrn": "Mr", "hr.": "Mr", "mr": "Mr", "mr.": "Mr", "sir": "Mr"}
"""Salutations as profiles keep them, and what they are in English."""

TITLES = frozenset({"dr.", "dr", "prof.", "prof", "professor", "doktor"})


class Person(NamedTuple):
    """What a profile says of a name; `salutation` may hold a title: `Frau Dr.`."""

    salutation: str | None = None
    given_name: str | None = None
    family_name: str | None = None


class Salutation(NamedTuple):
    """`Sehr geehrte Frau Dr. Muster`, `Liebe Frau Dr. Muster` and `Liebe Anna`, without the comma."""

    formal: str
    warm: str
    familiar: str


class _Known(NamedTuple):
    """What a salutation tells: `word` is it in English, empty where it is neither a woman's nor a man's."""

    word: str
    is_woman: bool
    title: str
    given: str
    family: str

    @property
    def names(self) -> str:
        return " ".join(filter(None, (self.title if self.family else "", self.given, self.family)))


def salutation(person: Person, language: str) -> Salutation:
    """Return how somebody is addressed; in a language that is not German, in English."""
    known = _known(person)
    return _german(known) if language.partition("-")[0] == "de" else _english(known)


def _known(person: Person) -> _Known:
    first, *others = (person.salutation or "").split() or [""]
    word = WOMEN.get(first.lower()) or MEN.get(first.lower()) or ""
    titles = [each for each in (others if word else [first, *others]) if each.lower() in TITLES]
    given, family = (" ".join((name or "").split()) for name in (person.given_name, person.family_name))
    return _Known(word, first.lower() in WOMEN, " ".join(titles), given, family)


def _german(known: _Known) -> Salutation:
    neutral = f"Guten Tag {known.names}".strip()
    formal = warm = neutral
    if known.word and known.family:
        whom = " ".join(filter(None, ("Frau" if known.is_woman else "Herr", known.title, known.family)))
        formal = f"Sehr geehrte {whom}" if known.is_woman else f"Sehr geehrter {whom}"
        warm = f"Liebe {whom}" if known.is_woman else f"Lieber {whom}"
    dear = ("Liebe" if known.is_woman else "Lieber") if known.word else "Hallo"
    return Salutation(formal, warm, f"{dear} {known.given}" if known.given else warm)


def _english(known: _Known) -> Salutation:
    formal = f"Dear {known.names or 'customer'}"
    if known.word and known.family:
        # a title stands for the word: Dear Dr Muster
        formal = f"Dear {known.title.replace('.', '') or known.word} {known.family}"
    return Salutation(formal, formal, f"Dear {known.given}" if known.given else formal)
