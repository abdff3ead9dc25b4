"""Who else looks at a task now: said by each page, and told to the others."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client

from tasks.access.actor import Actor
from tasks.models import AuditEvent, Presence, Task
from tasks.models.presence import LOOK_SECONDS, PRESENT_SECONDS
from tasks.pruning import prune
from tests.factories import ApiKeyFactory, TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
JSON = "application/json"


@pytest.fixture
def task(db):
    return TaskFactory()


@pytest.fixture
def li(person):
    return person("viewer", "Li Wei")


@pytest.fixture
def ana(person):
    return person("operator", "Ana")


def say(client, task, first=1, last=40, **more):
    path = f"/live/tasks/{task.pk}/presence"
    body = {"first": first, "last": last, **more}
    return client.post(path, body, content_type=JSON)


def people(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["people"]


def let_pass(seconds, **columns):
    """Age all that was said."""
    for name in columns or {"seen_at": 0}:
        Presence.objects.update(**{name: Now() - timedelta(seconds=seconds)})


def test_two_people_at_one_task_see_each_other_and_their_lines(task, li, ana):
    assert people(say(li, task, 1204, 1250)) == []
    seen = {"name": "Li Wei", "first": 1204, "last": 1250, "look": None}
    assert people(say(ana, task)) == [seen]
    assert [one["name"] for one in people(say(li, task))] == ["Ana"]


def test_who_is_at_another_task_is_not_seen(task, li, ana):
    say(li, TaskFactory())
    assert people(say(ana, task)) == []


def test_the_tabs_of_one_person_are_one_and_nobody_sees_themselves(task, li, ana):
    other_tab = Client()
    other_tab.cookies = li.cookies
    say(li, task, 1, 40)
    assert people(say(other_tab, task, 100, 140)) == []
    assert [one["first"] for one in people(say(ana, task))] == [100]
    assert Presence.objects.count() == 2


def test_who_says_nothing_any_more_is_gone_and_nothing_of_them_stays(task, li, ana):
    say(li, task)
    let_pass(PRESENT_SECONDS - 5)
    assert len(people(say(ana, task))) == 1
    let_pass(PRESENT_SECONDS + 5)
    assert people(say(ana, task)) == []
    assert Presence.objects.get().name == "Ana"


def test_the_last_one_is_forgotten_when_tasks_are_pruned(task, li):
    say(li, task)
    list(prune([], Actor("runner:test")))
    assert Presence.objects.exists()
    let_pass(PRESENT_SECONDS + 5)
    list(prune([], Actor("runner:test")))
    assert not Presence.objects.exists()


def test_what_others_shall_look_at_is_told_for_a_while(task, li, ana):
    say(li, task, look=[1204, 1210])
    (told,) = people(say(ana, task))
    look = told["look"]
    assert (look["first"], look["last"]) == (1204, 1210)
    say(li, task)  # the next word is of something else
    assert people(say(ana, task))[0]["look"] == look
    let_pass(1, looked_at=0)
    say(li, task, look=[7, 7])
    assert people(say(ana, task))[0]["look"]["at"] > look["at"]
    let_pass(LOOK_SECONDS + 5, looked_at=0)
    assert people(say(ana, task))[0]["look"] is None


def test_it_leaves_no_trace_in_the_audit_trail_or_the_task(task, li):
    before = Task.objects.values().get()
    say(li, task, look=[1, 2])
    assert Task.objects.values().get() == before
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, {"first"}),
        ({"first": 5, "last": 4}, {"first"}),
        ({"first": -1, "last": 4}, {"first"}),
        ({"first": 1, "last": 2**53}, {"first"}),
        ({"first": True, "last": 4}, {"first"}),
        ({"first": "1", "last": 4}, {"first"}),
        ({"first": 0, "last": 0, "look": [0, 4]}, {"look"}),
        ({"first": 0, "last": 0, "look": [9]}, {"look"}),
        ({"first": 0, "last": 0, "look": {"first": 1}}, {"look"}),
        ({"first": 0, "last": 0, "where": 5}, {"where"}),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_and_named(task, li, body, names):
    path = f"/live/tasks/{task.pk}/presence"
    answer = li.post(path, body, content_type=JSON)
    assert set(problem_of(answer, 400)["errors"]) == names
    assert not Presence.objects.exists()


def test_only_people_who_may_see_tasks_are_seen_and_see_others(task, li, person):
    say(li, task)
    problem_of(say(Client(), task), 401)
    problem_of(say(person(None), task), 403)
    key = {"X-API-Key": ApiKeyFactory().secret}
    path = f"/live/tasks/{task.pk}/presence"
    body = {"first": 1, "last": 40}
    problem_of(Client().post(path, body, content_type=JSON, headers=key), 403)
    assert Presence.objects.count() == 1


def test_another_page_can_not_say_it_for_them(task, li):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = li.cookies
    problem_of(say(strict, task), 403)


def test_of_a_task_that_is_gone_nobody_is_told(li):
    gone = Task(pk="00000000-0000-4000-8000-000000000000")
    problem_of(say(li, gone), 404)
    assert not Presence.objects.exists()


def test_it_has_a_limit_of_its_own_which_leaves_that_of_reads_alone(
    task, li, ana, settings
):
    settings.RATE_LIMIT_READ = "3/m"
    for _ in range(3):
        assert say(li, task).status_code == 200
    assert int(say(li, task)["Retry-After"]) > 0
    assert li.get("/api/tasks").status_code == 200
    assert say(ana, task).status_code == 200


def test_it_asks_the_database_a_bounded_number_of_times(
    task, person, ana, django_assert_max_num_queries
):
    for number in range(20):
        say(person("viewer", f"viewer-{number}"), task)
    say(ana, task)
    with django_assert_max_num_queries(8):
        assert len(people(say(ana, task))) == 20
