"""What a start makes is left out when Python looks for garbage."""

import gc

import pytest

from resource_sync.gc_pause import gc_paused


def test_nothing_is_looked_for_meanwhile():
    with gc_paused():
        assert not gc.isenabled()


def test_what_was_made_is_not_looked_through_later():
    with gc_paused():
        made = [[]]
    assert gc.isenabled()
    assert not any(found is made for found in gc.get_objects())


def test_a_start_that_fails_leaves_the_looking_on():
    with pytest.raises(ImportError), gc_paused():
        raise ImportError
    assert gc.isenabled()


def test_garbage_made_later_is_found():
    with gc_paused():
        pass
    circle = []
    circle.append(circle)
    del circle
    assert gc.collect() > 0
