"""django-eventstream's listeners, through which a task's viewers hear of it."""

import uuid

from streaming.eventstream import TaskListener, manager, publish


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
