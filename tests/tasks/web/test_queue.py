"""The page of pauses and freezes, and what is asked on it."""

from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise

import pytest
from django.utils import timezone

from tasks.access.actor import Actor
from tasks.models import AuditEvent, Freeze, QueuePause
from tasks.queue.freezes import freeze
from tasks.queue.pauses import pause
from tests.tasks.queue.definitions import TYPES

pytestmark = pytest.mark.django_db
ALICE = Actor("alice")
HOUR = timedelta(hours=1)
WEEKLY = """
[[freeze]]
types = ["import"]
days = ["fri"]
from = "16:00"
until = "mon 08:00"
timezone = "Europe/Berlin"
reason = "Nobody releases over the weekend"
"""


@pytest.fixture(autouse=True)
def _types(use_task_types):
    use_task_types(WEEKLY + TYPES)


@pytest.fixture
def admin(person):
    return person("admin")


@pytest.fixture
def moving():
    now = timezone.now()
    return freeze(["undo", "chain"], now, now + HOUR, "The store moves", ALICE).freeze


FORM = {
    "types": "undo, ch*",
    "from": "2040-01-01T16:00",
    "until": "2040-01-02T08:00",
    "reason": "New year",
}


def test_it_lists_what_is_paused_and_frozen_and_by_whom(admin, moving):
    pause("undo", "Moving the store", ALICE)
    page = admin.get("/queue").text
    assert "undo is paused by alice. What runs goes on." in page
    assert "Moving the store" in page
    assert "The store moves" in page
    assert f"/queue/freezes/{moving.pk}/lift" in page


def test_a_repeating_freeze_shows_its_next_three_times_and_is_read_only(admin):
    answer = admin.get("/queue")
    windows = [one.window for one in chain(*answer.context["by_state"].values())]
    (weekly,) = windows
    times = [(weekly.begins_at, weekly.ends_at), *weekly.again]
    weeks = [b[0] - a[0] for a, b in pairwise(times)]
    assert all(abs(week - timedelta(days=7)) <= HOUR for week in weeks)
    assert len(times) == 3
    assert "repeats, from task_types.toml" in answer.text
    assert "/lift" not in answer.text


def test_where_nothing_is_paused_or_frozen_it_teaches_what_they_are(
    admin, use_task_types
):
    use_task_types(TYPES)
    page = admin.get("/queue").text
    assert "Nothing is paused." in page
    assert "[[freeze]]" in page


def test_an_admin_pauses_one_type_with_a_reason(admin):
    form = {"type": "undo", "reason": "Moving the store"}
    assert admin.post("/queue/pause", form)["Location"] == "/queue"
    found = QueuePause.objects.get()
    assert (found.type, found.reason) == ("undo", "Moving the store")
    assert (found.paused_by, AuditEvent.objects.get().action) == (
        "admin-1",
        "queue.pause",
    )


def test_a_pause_of_a_type_that_is_gone_is_refused_beside_its_field(admin):
    answer = admin.post("/queue/pause", {"type": "gone"})
    assert (answer.status_code, list(answer.context["errors"])) == (400, ["type"])
    assert not QueuePause.objects.exists()


def test_times_of_a_freeze_are_of_the_zone_that_the_form_names(admin):
    path = "/queue/freeze?tz=Asia/Shanghai"
    assert "Time zone: Asia/Shanghai" in admin.get(path).text
    assert admin.post(path, FORM)["Location"] == "/queue"
    made = Freeze.objects.get()
    assert made.types == ["undo", "ch*"]
    assert made.begins_at == datetime(2040, 1, 1, 8, tzinfo=UTC)
    assert made.ends_at == datetime(2040, 1, 2, tzinfo=UTC)


def test_without_a_beginning_a_freeze_holds_from_now_on(admin):
    before = timezone.now()
    admin.post("/queue/freeze", {**FORM, "from": ""})
    assert before <= Freeze.objects.get().begins_at <= timezone.now()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("types", "", "Must be a list of names of types"),
        ("types", "undoo", "No task type is called"),
        ("until", "", "Must be a day and a time"),
        ("until", "2040-01-01T10:00", "Must be later than"),
        ("until", "soon", "Must be a day and a time"),
        ("from", "0001-01-01T00:00", "Must be a day and a time"),
        ("reason", " ", "Must be a reason of 1 to 500 characters."),
    ],
)
def test_what_is_wrong_with_a_freeze_stands_beside_its_field(admin, field, value, says):
    answer = admin.post("/queue/freeze?tz=Asia/Shanghai", {**FORM, field: value})
    assert answer.status_code == 400
    assert says in " ".join(answer.context["errors"][field])
    assert not Freeze.objects.exists()
    assert 'value="New year"' in answer.text or field == "reason"


def test_a_freeze_is_lifted_after_a_question(admin, moving):
    path = f"/queue/freezes/{moving.pk}/lift"
    assert "Its types can be started again at once." in admin.get(path).text
    assert Freeze.objects.exists()
    assert admin.post(path)["Location"] == "/queue"
    assert not Freeze.objects.exists()
    assert admin.post(path)["Location"] == "/queue"  # somebody else was faster


@pytest.mark.parametrize("group", ["viewer", "operator"])
def test_others_see_it_and_do_nothing(person, group, moving):
    client = person(group)
    pause("", "", ALICE)
    page = client.get("/queue")
    assert page.status_code == 200
    assert "People in the group “admin” pause, resume and freeze." in page.text
    assert "data-ask" not in page.text
    assert ">Resume<" not in page.text
    lift = f"/queue/freezes/{moving.pk}/lift"
    for path in ("/queue/pause", "/queue/freeze", lift):
        assert client.get(path).status_code == 403
        assert client.post(path, FORM).status_code == 403
    assert (Freeze.objects.count(), QueuePause.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("back", "page"),
    [("queue", "/queue"), ("schedules", "/schedules"), ("//evil.example", "/")],
)
def test_resuming_leads_back_to_the_page_of_the_banner(admin, back, page):
    pause("", "", ALICE)
    assert admin.post("/queue/resume", {"back": back})["Location"] == page
    assert not QueuePause.objects.exists()


def test_banners_lead_to_the_page(admin, moving):
    pause("", "", ALICE)
    assert admin.get("/").text.count('href="/queue"') == 2


def test_the_parts_that_change_come_alone(admin, moving):
    parts = admin.get("/live/queue").text
    assert 'data-swap="freezes"' in parts
    assert "The store moves" in parts
    assert "<html" not in parts
