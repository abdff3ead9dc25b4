"""django-eventstream's parts that this product stands on, and its own side of them."""

import uuid

import pytest
from django.conf import settings
from django.test import RequestFactory
from django_eventstream.storage import EventDoesNotExist
from django_eventstream.utils import get_channelmanager, get_storage

from streaming.bridge import TaskListener, channel_of, manager, publish, task_of
from tests.factories import TaskFactory, write_log


def test_the_settings_name_what_is_here():
    assert type(get_storage()).__name__ == "LogLineStorage"
    assert type(get_channelmanager()).__name__ == "TaskChannelManager"
    assert not hasattr(settings, "EVENTSTREAM_REDIS")


def test_what_is_published_is_handed_on_at_once_and_never_overflows():
    task_id, told = uuid.uuid4(), []
    listener = TaskListener(task_id, told.append)
    manager().add_listener(listener)
    try:
        for number in range(100):
            publish(task_id, number)
        publish(uuid.uuid4(), "another's")
    finally:
        manager().remove_listener(listener)
    publish(task_id, "too late")
    assert told == list(range(100))
    assert not listener.overflow


def test_a_channel_names_its_task():
    task_id = uuid.uuid4()
    assert task_of(channel_of(task_id)) == task_id
    with pytest.raises(ValueError, match="no task's channel"):
        task_of("news")


@pytest.mark.django_db
def test_lines_are_the_events_of_a_channel():
    task = TaskFactory(status="running")
    write_log(task, "a", "b", "c")
    storage, channel = get_storage(), channel_of(task.pk)
    assert storage.get_current_id(channel) == 3
    assert [event.id for event in storage.get_events(channel, 1)] == [2, 3]
    assert storage.get_events(channel, 3) == []
    assert len(storage.get_events(channel, 0, limit=2)) == 2
    with pytest.raises(EventDoesNotExist):
        storage.get_events(channel, 4)
    with pytest.raises(TypeError, match="runner"):
        storage.append_event(channel, "message", {})


@pytest.mark.django_db
def test_only_staff_may_read_and_only_what_the_url_names(alice, bob):
    channels = get_channelmanager()
    assert channels.can_read_channel(alice, "task-1")
    assert not channels.can_read_channel(bob, "task-1")
    assert not channels.can_read_channel(None, "task-1")
    request = RequestFactory().get("/?channel=task-2&es-meta=x")
    named = channels.get_channels_for_request(request, {"channels": {"task-1"}})
    assert named == {"task-1"}
