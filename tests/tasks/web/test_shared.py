"""What a hand-over link shows, and what it does not: /shared/TOKEN, and the API's acts
that make and withdraw links."""

import logging
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from resource_sync.log_formats import without_secrets
from tasks.models import AuditEvent, HandOverLink, LogLine
from tests.factories import ApiKeyFactory, TaskFactory

pytestmark = pytest.mark.django_db
JSON = "application/json"


def with_key(scope="start"):
    return Client(headers={"X-API-Key": ApiKeyFactory(scope=scope).secret})


def share(task, body=None, scope="start"):
    path = f"/api/tasks/{task.pk}/share"
    return with_key(scope).post(path, body or {}, content_type=JSON)


@pytest.fixture
def task():
    task = TaskFactory(status="completed", last_seq=3)
    rows = [(n, "stdout", f"line {n} of it", 1_764_153_000_000) for n in (1, 2, 3)]
    LogLine.objects.bulk_create(
        LogLine(task_id=task.pk, seq=n, level=level, message=words, at_ms=at)
        for n, level, words, at in rows
    )
    return task


@pytest.fixture
def link(task):
    """The path of a link to it."""
    answer = share(task)
    assert answer.status_code == 201
    return answer.json()["url"].removeprefix("http://testserver")


def end(**fields):
    HandOverLink.objects.update(**fields)


# --- What it shows -------------------------------------------------------------------


def test_a_stranger_sees_the_task_by_the_link(link, task):
    page = Client().get(link)
    assert page.status_code == 200
    assert "v885" in page.text
    assert page["Referrer-Policy"] == "no-referrer"
    assert page["Cache-Control"] == "private, no-store"
    assert "noindex" in page["X-Robots-Tag"]
    assert not page.cookies


def test_a_stranger_reads_its_lines(link):
    text = b"".join(Client().get(f"{link}/logs.txt")).decode()
    assert "line 2 of it" in text
    page = Client().get(f"{link}/logs?before=3").json()
    assert [line["seq"] for line in page["logs"]] == [1, 2]


def test_the_page_has_no_act_and_no_link_to_another_task(link, task):
    other = TaskFactory(status="failed")
    task.rerun_of = other
    task.save(update_fields=["rerun_of"])
    text = Client().get(link).text
    assert "<form" not in text
    assert "/tasks/" not in text
    assert "/api/" not in text
    assert str(other.pk) not in text


def test_each_opening_is_counted(link):
    for _ in range(2):
        Client().get(link)
    Client().head(link)
    assert HandOverLink.objects.get().opened_count == 2


def test_it_says_in_words_that_its_task_was_deleted(link, task):
    LogLine.objects.filter(task_id=task.pk).delete()
    task.delete()
    page = Client().get(link)
    assert page.status_code == 410
    assert "was deleted" in page.text


# --- What it does not ----------------------------------------------------------------


def token_of(link):
    return link.rpartition("/")[2]


@pytest.mark.parametrize("ending", ["", "/parts", "/logs?before=3", "/logs.txt"])
@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        pytest.param({"withdrawn_at": timezone.now()}, "withdrawn", id="withdrawn"),
        pytest.param(
            {"expires_at": timezone.now() - timedelta(days=1)}, "expired", id="expired"
        ),
    ],
)
def test_a_link_that_ended_opens_nothing(link, ending, fields, sentence):
    end(**fields)
    page = Client().get(link + ending)
    assert page.status_code == 410
    assert sentence in page.text
    assert "line 2" not in page.text
    assert page["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("ending", ["", "/parts", "/logs", "/logs.txt"])
def test_a_link_is_only_read(link, method, ending):
    answer = getattr(Client(), method)(link + ending)
    assert answer.status_code in {403, 405}
    assert "line 2" not in answer.text


def test_the_token_opens_nothing_else(link, task):
    """Neither as a key, nor as a session, nor as a stream's token; nor for another
    task, however the path is written."""
    token, other = token_of(link), TaskFactory(status="completed")
    paths = [f"/api/tasks/{task.pk}/status", f"/tasks/{task.pk}", "/api/tasks", "/"]
    for path in paths:
        for headers in (
            {"X-API-Key": token},
            {"Authorization": f"Bearer {token}"},
            {"Cookie": f"resource_sync_session={token}"},
        ):
            assert Client(headers=headers).get(path).status_code in {401, 302}
        assert Client().get(f"{path}?token={token}").status_code in {401, 302}
    for path in (
        f"{link}/../../api/tasks",
        f"{link}/%2e%2e/tasks/{other.pk}",
        f"{link}/tasks/{other.pk}",
        f"{link}/logs.txt/../{other.pk}",
        f"{link}/",
        f"/shared/{other.pk}",
        f"/shared/{token[:-1]}",
        f"/shared/{token.upper()}",
        "/shared/%00",
    ):
        assert Client().get(path).status_code in {404, 302, 401}, path


def test_the_lines_asked_for_are_of_this_task_whatever_the_query_says(link):
    other = TaskFactory(status="completed")
    answer = Client().get(f"{link}/logs?before=9&task={other.pk}&id={other.pk}")
    assert [line["seq"] for line in answer.json()["logs"]] == [1, 2, 3]
    assert Client().get(f"{link}/logs?before=x").status_code == 400


def test_whoever_tries_links_is_held_up(link, settings):
    settings.RATE_LIMIT_READ = "3/m"
    codes = [Client().get(f"/shared/rsl_{n}").status_code for n in range(5)]
    assert codes == [404, 404, 404, 429, 429]


def test_the_token_stands_in_no_log_and_no_table(link, caplog):
    token = token_of(link)
    assert token not in without_secrets(f"Gone: /shared/{token}/stream")
    assert not HandOverLink.objects.filter(digest__contains=token[4:]).exists()
    with caplog.at_level(logging.DEBUG):
        Client().get(link)
    assert token not in "".join(without_secrets(r.getMessage()) for r in caplog.records)
    assert token not in str(list(AuditEvent.objects.values()))


# --- Making and withdrawing ----------------------------------------------------------


def test_a_link_is_good_for_as_long_as_was_asked(task):
    made = share(task, {"expiresIn": "2h"}).json()
    left = HandOverLink.objects.get(pk=made["id"]).expires_at - timezone.now()
    assert timedelta(minutes=119) < left <= timedelta(hours=2)


@pytest.mark.parametrize(
    "life", ["", "3", "0d", "-1d", "91d", "3w", "3d ", 3, None, "9" * 400 + "d"]
)
def test_a_time_that_is_none_is_refused(task, life):
    answer = share(task, {"expiresIn": life})
    assert answer.status_code == 400
    assert "3d" in answer.json()["errors"]["expiresIn"][0]


def test_what_is_not_understood_is_refused(task):
    assert "for" in share(task, {"for": "3d"}).json()["errors"]


def test_who_may_only_read_hands_nothing_over(task, link):
    made = HandOverLink.objects.get()
    reader = with_key("read")
    assert share(task, scope="read").status_code == 403
    assert reader.get(f"/api/tasks/{task.pk}/shares").status_code == 403
    assert reader.delete(f"/api/shares/{made.pk}").status_code == 403
    assert Client().delete(f"/api/shares/{made.pk}").status_code == 401
    assert Client().get(link).status_code == 200


def test_a_withdrawn_link_is_listed_without_its_url(task, link):
    Client().get(link)
    made = HandOverLink.objects.get()
    client = with_key()
    for _ in range(2):  # twice is no error
        answer = client.delete(f"/api/shares/{made.pk}")
        assert answer.status_code == 200
    (shown,) = client.get(f"/api/tasks/{task.pk}/shares").json()["shares"]
    assert shown["opened"] == 1
    assert not shown["usable"]
    assert "url" not in shown
    assert Client().get(link).status_code == 410


def test_the_trail_tells_who_made_and_withdrew_it_and_how_often_it_was_opened(
    task, link
):
    Client().get(link)
    with_key().delete(f"/api/shares/{HandOverLink.objects.get().pk}")
    withdrawn, made = AuditEvent.objects.filter(action__startswith="link.")[:2]
    assert (made.action, withdrawn.action) == ("link.create", "link.withdraw")
    assert made.target == withdrawn.target == str(task.pk)
    assert withdrawn.details["opened"] == 1


@pytest.mark.parametrize("link_id", ["x", "00000000-0000-0000-0000-000000000000"])
def test_a_link_that_is_not_there_can_not_be_withdrawn(link_id):
    assert with_key().delete(f"/api/shares/{link_id}").status_code == 404


def test_a_task_has_a_bounded_number_of_links(task):
    for _ in range(50):
        HandOverLink.objects.issue(task.pk, "x", timezone.now() + timedelta(days=1))
    assert share(task).status_code == 400


def test_links_are_forgotten_a_month_after_their_end(link):
    end(expires_at=timezone.now() - timedelta(days=29))
    assert HandOverLink.objects.forget() == 0
    end(expires_at=timezone.now() - timedelta(days=31))
    assert HandOverLink.objects.forget() == 1
