"""The programme of referrals on the command line."""

from functools import partial
from pathlib import Path

import orjson

from tests.processes import command


def test_a_programme_is_worked_on_by_command(referrals_url: str, tmp_path: Path) -> None:
    settings = {"referrals_database_url": referrals_url, "referrals_contact_key": "k" * 32}
    loyalty = partial(command, **settings)
    draft = tmp_path / "programme.json"
    draft.write_text('{"minimum": "30.00", "link": "https://shop.example/{code}"}')
    of = "--service", "referrals"
    assert loyalty("programme", "check", str(draft), *of).stdout == "the programme fits together\n"
    differing = orjson.loads(loyalty("programme", "diff", str(draft), "--json", *of).stdout)
    assert {each["pointer"] for each in differing} == {"/minimum", "/link"}
    published = loyalty("programme", "publish", str(draft), *of)
    assert published.stdout.startswith("published: version 2, valid from ")
    shown = orjson.loads(loyalty("programme", "show", *of).stdout)
    assert (shown["minimum"], shown["link"]) == ("30.00", "https://shop.example/{code}")
    listed = orjson.loads(loyalty("programme", "versions", "--json", *of).stdout)
    assert [each["version"] for each in listed] == [2, 1]


def test_what_is_wrong_with_a_file_is_said_with_its_place(tmp_path: Path) -> None:
    draft = tmp_path / "programme.json"
    draft.write_text('{"link": "https://shop.example/"}')
    checked = command("programme", "check", str(draft), "--service", "referrals")
    assert (checked.returncode, "/link: say where the code stands" in checked.stderr) == (1, True)
