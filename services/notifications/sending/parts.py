"""What runs in a worker: one that says, and one that sends for each channel that is there, also those that come later."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

from services.notifications.hooks.keeping import Hook, hooks
from services.notifications.sending.alarm import Alarm
from services.notifications.sending.channels import hook_line, mail_line
from services.notifications.sending.posting import Poster
from services.notifications.sending.saying import Sayer
from services.notifications.service import NotificationsService
from services.notifications.settings import NotificationsSettings
from shared.database import DatabaseAwayError, database_errors

log = structlog.get_logger(__name__)

HOOK_SECONDS = 2.0
"""A hook that is new or has changed is noticed within so many."""

Part = Callable[[], Coroutine[Any, Any, None]]


def parts(notifications: NotificationsService, settings: NotificationsSettings) -> list[Part]:
    """Return what runs until it is cancelled; it is woken by what is committed here."""
    alarm = Alarm()
    notifications.committed = _both(notifications.committed, alarm.ring)
    mail = mail_line(settings)
    posters = [] if mail is None else [Poster(notifications, mail, alarm).run]
    return [Sayer(notifications, alarm).run, *posters, HookPosters(notifications, settings, alarm).run]


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def committed() -> None:
        first()
        second()

    return committed


class HookPosters:
    """A poster for each hook that is enabled, as the rows have them at any time."""

    def __init__(self, notifications: NotificationsService, settings: NotificationsSettings, alarm: Alarm) -> None:
        self._notifications = notifications
        self._settings = settings
        self._alarm = alarm
        self._running: dict[str, tuple[Hook, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        try:
            while True:
                with suppress(DatabaseAwayError):
                    await self._look()
                await asyncio.sleep(HOOK_SECONDS)
        finally:
            for channel in list(self._running):
                await self._stop(channel)

    async def _look(self) -> None:
        async with database_errors(), self._notifications.engine.connect() as connection:
            found = {each.channel: each for each in await hooks(connection) if each.enabled}
        for channel, (hook, task) in list(self._running.items()):
            if found.get(channel) != hook or task.done():
                await self._stop(channel)
        for channel, hook in found.items():
            if channel not in self._running:
                self._start(hook)

    def _start(self, hook: Hook) -> None:
        poster = Poster(self._notifications, hook_line(self._settings, hook), self._alarm)
        self._running[hook.channel] = hook, asyncio.create_task(poster.run())

    async def _stop(self, channel: str) -> None:
        _hook, task = self._running.pop(channel)
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(result, Exception):
            log.error("hook_failed", channel=channel, error=repr(result))
