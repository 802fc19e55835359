"""What an import could not use, as a CSV file of the same columns with the reason, so that it can be mended and read again."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self

from services.points.imports.records import FileError

BESIDE = ("rejected_file", "rejected_line", "rejected_reason")


class Rejected:
    """A context manager; counts what it is given by kind, and makes the file when there is something for it.

    Without a path it only counts. Rows are laid out in the columns of the first file.
    """

    def __init__(self, path: Path | None, files: Sequence[Path]) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self._files = [str(each) for each in files]
        self._columns: list[tuple[str, ...]] = [()] * len(files)
        self._file: IO[str] | None = None
        self._csv: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def written(self) -> bool:
        return self._file is not None

    def columns(self, file: int, names: tuple[str, ...]) -> None:
        """Say what the columns of a file are called."""
        self._columns[file] = tuple(name for name in names if name not in BESIDE)

    def add(self, reason: str, file: int, line: int, fields: Sequence[str]) -> None:
        """Set a row aside; its kind is the first word of the reason, where that is `anonymous:` or `unmatched:`."""
        kind = reason.partition(":")[0]
        self.counts[kind if kind in {"anonymous", "unmatched"} else "rejected"] += 1
        if self.path is not None:
            if self._file is None:
                self._open()
            self._csv.writerow([*self._laid_out(file, fields), self._files[file], line, reason])

    def _laid_out(self, file: int, fields: Sequence[str]) -> Sequence[str]:
        first, own = self._columns[0], self._columns[file]
        if len(fields) == len(first) and own == first:
            return fields
        row = dict(zip(own, fields, strict=False))
        return [row.get(name, "") for name in first]

    def _open(self) -> None:
        path = self.path or Path()
        try:
            self._file = path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise FileError(f"{path}: {error.strerror}") from error
        self._csv = csv.writer(self._file)
        self._csv.writerow([*self._columns[0], *BESIDE])
