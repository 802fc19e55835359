"""Segments as they are saved and dropped."""

import orjson

from services.notifications.books import Books
from services.notifications.commands import DropSegment, KeepSegment, Outcome, refused
from services.notifications.records import SavedSegment


def keep_segment(books: Books, command: KeepSegment) -> Outcome:
    known = books.segments.get(command.name)
    if known is not None and orjson.loads(known.document) == orjson.loads(command.document):
        return Outcome("repeated", segment=known)
    saved = SavedSegment(command.name, command.document, books.now, command.saved_by)
    books.segments[command.name] = books.changes.segments[command.name] = saved
    books.changes.dropped_segments.discard(command.name)
    return Outcome("booked", segment=saved)


def drop_segment(books: Books, command: DropSegment) -> Outcome:
    if command.name not in books.segments:
        return refused("segment-unknown", f"there is no segment {command.name}")
    for version in books.versions.from_now_on(books.now):
        if any(each.segment == command.name for each in version.programme.occasions):
            return refused("segment-needed", f"an occasion of programme {version.version} is for {command.name}")
    del books.segments[command.name]
    books.changes.segments.pop(command.name, None)
    books.changes.dropped_segments.add(command.name)
    return Outcome("booked")
