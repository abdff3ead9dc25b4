"""django-eventstream's side of the stream: who listens to what.

Lines go out in batches through its ListenerManager, one event a task and batch; its
stock view and its storage of events are not on that path (docs/decisions/0002).
"""

import json
import uuid
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django_eventstream.channelmanager import ChannelManagerBase
from django_eventstream.event import Event
from django_eventstream.storage import EventDoesNotExist, StorageBase
from django_eventstream.views import Listener, ListenerManager, get_listener_manager

from tasks.access.rights import rights_of
from tasks.logs import store as log_store
from tasks.models import Task

PREFIX = "task-"
ALL_TASKS = "tasks"  # the channel of what changes among all of them


def channel_of(task_id: uuid.UUID) -> str:
    return f"{PREFIX}{task_id}"


def task_of(channel: str) -> uuid.UUID:
    """Raises ValueError where the channel is no task's."""
    if not channel.startswith(PREFIX):
        raise ValueError(f"{channel!r} is no task's channel.")
    return uuid.UUID(channel.removeprefix(PREFIX))


class ChannelListener(Listener):  # type: ignore[misc]
    """Hears what is told to a channel in this process. It hands it on at once, in the
    thread that tells, so there is no queue that could overflow."""

    def __init__(self, channel: str, hand_on: Callable[[Any], None]) -> None:
        super().__init__()
        self.channels = {channel}
        self.channel_items: dict[str, list[Event]] = {}
        self._hand_on = hand_on

    def wake_threadsafe(self) -> None:
        told, self.channel_items = self.channel_items, {}
        for events in told.values():
            for event in events:
                self._hand_on(event.data)


class TaskListener(ChannelListener):
    """Hears of one task for all who watch it in this process."""

    def __init__(self, task_id: uuid.UUID, hand_on: Callable[[Any], None]) -> None:
        super().__init__(channel_of(task_id), hand_on)


def manager() -> ListenerManager:
    return get_listener_manager()


def publish(task_id: uuid.UUID, state: Any) -> None:
    """Tell everybody who listens to a task that it has a new state."""
    tell(channel_of(task_id), state)


def tell(channel: str, data: Any) -> None:
    manager().add_to_queues(channel, Event(channel, "state", data))


class LogLineStorage(StorageBase):  # type: ignore[misc]
    """A task's log lines as django-eventstream's events; the id is the seq."""

    def append_event(self, channel: str, event_type: str, data: Any) -> Event:
        raise TypeError("Lines are written by the runner, not by send_event.")

    def get_events(self, channel: str, last_id: int, limit: int = 100) -> list[Event]:
        current = self.get_current_id(channel)
        if last_id > current:
            raise EventDoesNotExist(f"No such event {last_id}", current)
        lines = log_store.page(task_of(channel), last_id, limit).lines
        return [
            Event(
                channel,
                "message",
                json.dumps({"type": "log", "log": line}),
                id=line["seq"],
            )
            for line in lines
        ]

    def get_current_id(self, channel: str) -> int:
        numbers = Task.objects.filter(pk=task_of(channel)).values_list("last_seq")
        return int(numbers[0][0]) if numbers else 0


class TaskChannelManager(ChannelManagerBase):  # type: ignore[misc]
    """Whoever has any rights may read every task's channel; the URL alone names the
    channels, so ``?channel=`` and ``?es-meta=`` change nothing."""

    def get_channels_for_request(
        self, request: HttpRequest, view_kwargs: dict[str, Any]
    ) -> set[str]:
        return set(view_kwargs.get("channels", ()))

    def can_read_channel(self, user: Any, channel: str) -> bool:
        return bool(rights_of(user))

    def is_channel_reliable(self, channel: str) -> bool:
        return channel.startswith(PREFIX)
