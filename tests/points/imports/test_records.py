"""Whatever form a file has, its records are the same; a broken one costs only itself."""

import gzip
from pathlib import Path

import pytest
import zstandard

from services.points.imports.presets import Mapping, MappingError, mapping
from services.points.imports.records import LONGEST_LINE, FileError, Records, Unreadable

NAMED = Mapping(occurred_at="date", amount="amount", shop_id="shop", currency="EUR")
PLAIN = "date,name,amount\n2026-01-02,Zoë,1.50\n2026-01-03,Max,2.50\n"
FIELDS = [["2026-01-02", "Zoë", "1.50"], ["2026-01-03", "Max", "2.50"]]


def read(path: Path, by: Mapping = NAMED) -> tuple[list[list[str]], list[Unreadable]]:
    unreadable: list[Unreadable] = []
    with Records(path, by) as records:
        return [fields[:-2] for fields in records.read(unreadable.append)], unreadable


FORMS = {
    "plain": PLAIN.encode(),
    "with a byte order mark": PLAIN.encode("utf-8-sig"),
    "UTF-16": PLAIN.encode("utf-16"),
    "gzip": gzip.compress(PLAIN.encode()),
    "zstandard": zstandard.compress(PLAIN.encode()),
    "two frames": zstandard.compress(PLAIN[:30].encode()) + zstandard.compress(PLAIN[30:].encode()),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "lines of Windows": PLAIN.replace("\n", "\r\n").encode(),
    "no last line end": PLAIN.rstrip().encode(),
    "empty lines": PLAIN.replace("\n", "\n\n").encode(),
    "quotes": PLAIN.replace("Zoë", '"Zoë"').encode(),
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS.keys())
def test_the_form_of_a_file_does_not_matter(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert read(path) == (FIELDS, [])


def test_another_encoding_is_read_where_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(PLAIN.encode("latin-1"))
    assert read(path, NAMED.model_copy(update={"encoding": "iso8859-1"})) == (FIELDS, [])


BROKEN = {
    "too few fields": ("2026-01-02,Zoë", "2 fields instead of 3"),
    "too many fields": ("2026-01-02,Zoë,1,2", "4 fields instead of 3"),
    "a quote that never ends": ('2026-01-02,"Zoë,1', "unexpected end of data"),
    "text after a quote": ('2026-01-02,"Zoë" X,1', "expected after"),
    "a line without end": ("x" * (LONGEST_LINE + 5), "field larger than field limit"),
}


@pytest.mark.parametrize(("line", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_record_costs_only_itself(line: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    head, first, second = PLAIN.splitlines()
    path.write_text(f"{head}\n{first}\n{line}\n{second}\n")
    fields, unreadable = read(path)
    assert fields == FIELDS
    assert [each.line for each in unreadable] == [3]
    assert reason in unreadable[0].reason


def test_a_file_that_ends_in_its_compressed_data_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file.zst"
    path.write_bytes(zstandard.compress(PLAIN.encode() * 1000)[:-20])
    with pytest.raises(FileError, match="ends in the middle"):
        read(path)


def test_a_column_that_is_missing_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("when,amount\n")
    with pytest.raises(MappingError, match="no column date; it has when, amount"):
        read(path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"encoding": "klingon"}, "--encoding: 'klingon' is no encoding"),
        ({"time_zone": "Mars/Olympus"}, "--time-zone: 'Mars/Olympus' is no time zone"),
        ({"cancelled": "("}, "--cancelled: '\\(' is no pattern"),
        ({"currency": "euro"}, "--currency"),
        ({"quantity": "pieces"}, "either --price"),
    ],
)
def test_a_wrong_option_is_named(given: dict[str, object], said: str) -> None:
    rest = {} if "quantity" in given else {"amount": "amount"}
    with pytest.raises(MappingError, match=said):
        mapping(None, {"occurred_at": "date", "shop_id": "shop", "currency": "EUR"} | rest | given)
