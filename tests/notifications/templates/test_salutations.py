"""How letters address their readers, and that nobody is taken for what they did not say."""

import pytest

from services.notifications.templates.salutations import Person, salutation


@pytest.mark.parametrize(
    ("person", "formal", "warm", "familiar"),
    [
        (Person("Frau", "Anna", "Muster"), "Sehr geehrte Frau Muster", "Liebe Frau Muster", "Liebe Anna"),
        (Person("Herr", "Max", "Muster"), "Sehr geehrter Herr Muster", "Lieber Herr Muster", "Lieber Max"),
        (Person("Frau Dr.", "A.", "Muster"), "Sehr geehrte Frau Dr. Muster", "Liebe Frau Dr. Muster", "Liebe A."),
        (
            Person("Herr Prof. Dr.", None, "Muster"),
            "Sehr geehrter Herr Prof. Dr. Muster",
            "Lieber Herr Prof. Dr. Muster",
            "Lieber Herr Prof. Dr. Muster",
        ),
        (Person("Mrs", "Jane", "Smith"), "Sehr geehrte Frau Smith", "Liebe Frau Smith", "Liebe Jane"),
        (Person(None, "Kim", "Muster"), "Guten Tag Kim Muster", "Guten Tag Kim Muster", "Hallo Kim"),
        (Person("divers", "Kim", "Muster"), "Guten Tag Kim Muster", "Guten Tag Kim Muster", "Hallo Kim"),
        (Person("Dr.", "Kim", "Muster"), "Guten Tag Dr. Kim Muster", "Guten Tag Dr. Kim Muster", "Hallo Kim"),
        (Person("Frau", "Anna", None), "Guten Tag Anna", "Guten Tag Anna", "Liebe Anna"),
        (Person("Frau", None, None), "Guten Tag", "Guten Tag", "Guten Tag"),
        (Person(), "Guten Tag", "Guten Tag", "Guten Tag"),
        (Person("", " ", "\n"), "Guten Tag", "Guten Tag", "Guten Tag"),
        (Person("FRAU", "Anna", "von  der\nHeide"), "Sehr geehrte Frau von der Heide", "Liebe Frau von der Heide", "Liebe Anna"),
    ],
)  # fmt: skip
def test_in_german(person: Person, formal: str, warm: str, familiar: str) -> None:
    assert salutation(person, "de-AT") == (formal, warm, familiar)


@pytest.mark.parametrize(
    ("person", "formal", "familiar"),
    [
        (Person("Ms", "Jane", "Smith"), "Dear Ms Smith", "Dear Jane"),
        (Person("Mrs.", "Jane", "Smith"), "Dear Mrs Smith", "Dear Jane"),
        (Person("Herr", "Max", "Muster"), "Dear Mr Muster", "Dear Max"),
        (Person("Frau Dr.", "Anna", "Muster"), "Dear Dr Muster", "Dear Anna"),
        (Person(None, "Kim", "Muster"), "Dear Kim Muster", "Dear Kim"),
        (Person(None, "Kim", None), "Dear Kim", "Dear Kim"),
        (Person(), "Dear customer", "Dear customer"),
    ],
)
def test_in_english(person: Person, formal: str, familiar: str) -> None:
    assert salutation(person, "en") == (formal, formal, familiar)


def test_in_another_language_as_in_english() -> None:
    assert salutation(Person("Mme", "Anne", "Dupont"), "fr").formal == "Dear Anne Dupont"
