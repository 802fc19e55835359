"""A key that is drawn once is the same for whoever asks, whenever they do."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shared.kept_keys import drawn_once


def test_twenty_that_ask_at_once_get_one_key(tmp_path: Path) -> None:
    file = tmp_path / "new" / "some.key"
    with ThreadPoolExecutor(20) as pool:
        keys = set(pool.map(lambda _: drawn_once(file), range(200)))
    assert {len(key) for key in keys} == {64}
    assert len(keys) == 1
    assert [each.name for each in file.parent.iterdir()] == ["some.key"]
    assert file.stat().st_mode & 0o777 == 0o600
