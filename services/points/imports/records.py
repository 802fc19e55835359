"""From the bytes of a file to its records: compression, encoding, delimiter, header; a broken record costs only itself."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import zstandard

from services.points.imports.presets import Mapping, MappingError

LONGEST_LINE = 1 << 20
"""In characters; what is longer is no record of a shop but a file of another kind."""

DELIMITERS = (",", ";", "\t", "|")
ZSTANDARD, GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
UTF_16 = {b"\xff\xfe", b"\xfe\xff"}
COMPRESSED_CHUNK = 2 << 10  # of which at most 64 MiB can come


class FileError(Exception):
    """A file cannot be read to its end; says which and why."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands where a record should, and what is wrong with it."""

    line: int
    reason: str
    text: str


class _Zstandard(io.RawIOBase):
    """Decompresses one frame after the other, and notices a file that ends within one."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._ready = memoryview(b"")
        self._unused = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # the base takes any writable buffer
        while not self._ready:
            chunk = self._unused or self._file.read(COMPRESSED_CHUNK)
            if not chunk:
                if self._frame is not None:
                    raise EOFError("the file ends in the middle of its compressed data")
                return 0
            self._decompress(chunk)
        count = min(len(self._ready), len(buffer))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _decompress(self, chunk: bytes) -> None:
        self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        self._ready = memoryview(self._frame.decompress(chunk))
        self._unused = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = None


class Lines:
    """The physical lines of a text with their numbers; those of a broken record can be taken back."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self._again: list[str] = []
        self.number = 0
        self.taken: list[str] = []
        self.too_long = False

    def __iter__(self) -> Iterator[str]:
        while True:
            line = self._again.pop() if self._again else self._text.readline(LONGEST_LINE)
            if not line:
                return
            if len(line) == LONGEST_LINE and not line.endswith("\n"):
                self._skip()
            self.number += 1
            self.taken.append(line)
            yield line

    def _skip(self) -> None:
        self.too_long = True
        while (rest := self._text.readline(LONGEST_LINE)) and not rest.endswith("\n"):
            pass

    def forget(self) -> None:
        """Begin the next record."""
        self.taken.clear()
        self.too_long = False

    def take_back(self, kept: int) -> None:
        """Read the lines of this record but the first `kept` again, as records of their own."""
        again = self.taken[kept:]
        self.number -= len(again)
        self._again.extend(reversed(again))
        del self.taken[kept:]


Split = Callable[[Iterator[str]], Iterator[list[str]]]


def _splitter(delimiter: str) -> Split:
    if delimiter == "whitespace":
        return lambda lines: (line.split() for line in lines)
    return lambda lines: csv.reader(lines, delimiter=delimiter, strict=True)


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise FileError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


class Records:
    """One file, opened: its column names and its records. A context manager."""

    def __init__(self, path: Path, mapping: Mapping) -> None:
        self.path = path
        self.columns: tuple[str, ...] = ()
        self._mapping = mapping
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with _file_errors(self.path), ExitStack() as opening:
            self._file = opening.enter_context(self.path.open("rb"))
            self.size = self.path.stat().st_size
            self._lines = Lines(opening.enter_context(self._text()))
            self._begin()
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    @property
    def position(self) -> int:
        """How many of the file's `size` bytes have been read."""
        return self._file.tell()

    def _text(self) -> io.TextIOWrapper:
        magic = self._file.read(4)
        self._file.seek(0)
        plain: Any = self._file
        if magic.startswith(GZIP):
            plain = gzip.GzipFile(fileobj=self._file)
        elif magic == ZSTANDARD:
            plain = io.BufferedReader(_Zstandard(self._file), 256 << 10)
        encoding = "utf-8-sig" if self._mapping.encoding == "utf-8" else self._mapping.encoding
        if magic[:2] in UTF_16:
            encoding = "utf-16"
        # what is not in the encoding may stand in a column that nobody asks for, and is judged where it does not
        return io.TextIOWrapper(plain, encoding, errors="replace", newline="")

    def _begin(self) -> None:
        """Find the delimiter and the names of the columns; a first line that repeats the given names is a header."""
        first = next((line for line in self._lines if line.strip()), "")
        given, mapped = self._mapping.columns, set(self._mapping.mapped().values())
        if given:
            delimiter = self._mapping.delimiter or ","
            self.columns = given
            if [name.casefold() for name in _names(first, delimiter)] != [name.casefold() for name in given]:
                self._lines.take_back(0)
        else:
            headers = {each: _names(first, each) for each in self._delimiters()}
            fitting = (each for each, names in headers.items() if mapped <= set(names))
            delimiter = next(fitting, max(headers, key=lambda each: len(headers[each])))
            self.columns = tuple(headers[delimiter])
        self._split = _splitter(delimiter)
        self._check(mapped)

    def _delimiters(self) -> tuple[str, ...]:
        return (self._mapping.delimiter,) if self._mapping.delimiter else DELIMITERS

    def _check(self, mapped: set[str]) -> None:
        if missing := sorted(mapped - set(self.columns)):
            raise MappingError(f"{self.path} has no column {', '.join(missing)}; it has {', '.join(self.columns)}")
        if twice := sorted(name for name in mapped if self.columns.count(name) > 1):
            raise MappingError(f"{self.path} has more than one column {', '.join(twice)}")

    def read(self, unreadable: Callable[[Unreadable], None]) -> Iterator[list[Any]]:
        """Yield the fields of each record, then its line and its row: where it begins, and the how-manieth it is."""
        with _file_errors(self.path):
            yield from self._read(unreadable)

    def _read(self, unreadable: Callable[[Unreadable], None]) -> Iterator[list[Any]]:
        lines, width, row = self._lines, len(self.columns), 0
        records = self._split(iter(lines))
        while True:
            lines.forget()
            line = lines.number + 1
            try:
                fields: list[Any] | None = next(records, None)
            except csv.Error as error:
                fields, problem = [], f"unreadable: {error}"
                records = self._split(iter(lines))
            else:
                if fields is None:
                    return
                if len(fields) == width and not lines.too_long:
                    row += 1
                    fields.append(line)
                    fields.append(row)
                    yield fields
                    continue
                problem = _problem(len(fields), width, too_long=lines.too_long)
            lines.take_back(1)
            if text := "".join(lines.taken).strip():
                row += 1
                unreadable(Unreadable(line, problem, text))


def _problem(count: int, width: int, *, too_long: bool) -> str:
    return "unreadable: line too long" if too_long else f"unreadable: {count} fields instead of {width}"


def _names(line: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(_splitter(delimiter)(iter([line])), [])]
    except csv.Error:
        return []
