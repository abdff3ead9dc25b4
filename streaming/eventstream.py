"""django-eventstream's side of the stream: who listens to what.

Lines go out in batches through its ListenerManager, one event a task and batch; its
stock view and its storage of events are not on that path (docs/decisions/0002).
"""

import uuid
from collections.abc import Callable
from typing import Any

from django_eventstream.event import Event
from django_eventstream.views import Listener, ListenerManager, get_listener_manager

PREFIX = "task-"
ALL_TASKS = "tasks"  # the channel of what changes among all of them


def channel_of(task_id: uuid.UUID) -> str:
    return f"{PREFIX}{task_id}"


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
