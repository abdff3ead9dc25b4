"""A list takes what its page offers, and nothing else, on either database."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.admin.own_filters import OwnFilters
from tasks.models import AuditEvent, Task, Webhook
from tests.factories import ApiKeyFactory, RunnerFactory, TaskFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

TASKS, KEYS = "/admin/tasks/task/", "/admin/tasks/apikey/"
LISTS = [
    TASKS, KEYS, "/admin/tasks/runner/", "/admin/tasks/auditevent/",
    "/admin/auth/user/", "/admin/auth/group/", "/admin/tasks/schedule/",
    "/admin/tasks/webhook/", "/admin/tasks/webhookdelivery/",
]  # fmt: skip
lists = pytest.mark.parametrize("base", LISTS)


@pytest.fixture
def rows(db):
    task = TaskFactory(
        type="full-sync", params={"version": "v885", "token": "TOPSECRET"},
        lock="TOPSECRET", error="TOPSECRET", result={"outputs": {"k": "TOPSECRET"}},
    )  # fmt: skip
    ApiKeyFactory(), RunnerFactory(), UserFactory(username="eve")
    webhook = Webhook.objects.create(sealed="TOPSECRET", created_by="eve")
    webhook.deliveries.create(event="task.failed", subject="x", payload={"k": "TOP"})
    AuditEvent.objects.create(actor="eve", action="create", target=str(task.pk))


def test_every_list_there_is_takes_its_own_filters():
    made = list(admin.site._registry.values())
    assert len(made) == len(LISTS)
    assert all(isinstance(one, OwnFilters) for one in made)


def asks_for_nothing(answer, base):
    """It leads to the whole list, or is a bad request."""
    if answer.status_code == 302:
        return answer["Location"] == f"{base}?e=1"
    return answer.status_code == 400


FOREIGN = {
    TASKS: [
        "params__token__startswith", "params__token__regex", "params__contains",
        "params__token", "params__has_key", "lock__startswith", "lock", "error__iregex",
        "result__outputs__k", "result__icontains", "created_by__regex",
        "version__regex",
        "created_by__range", "version__in", "type__startswith", "status__in", "status",
        "created_from", "id", "pk", "id__in", "pk__startswith", "runner__name",
        "runner__host__regex", "rerun_of__params__token__startswith", "idempotency_key",
        "created_at__hour", "created_at", "created_at__date", "completed_at__year",
        "reruns__params__token", "trail__0", "cancel_requested_by__regex", "nonsense",
    ],
    KEYS: ["digest__startswith", "digest", "prefix__regex", "name", "networks"],
    "/admin/auth/user/": [
        "password__startswith", "password", "email__regex", "username__startswith",
        "groups__name", "groups__permissions__codename", "user_permissions__codename",
        "logentry__object_repr", "is_superuser", "last_login__year",
    ],
    "/admin/auth/group/": ["user__password__startswith", "permissions__codename"],
    "/admin/tasks/runner/": ["tasks__params__token__startswith", "host", "pid"],
    "/admin/tasks/auditevent/": ["details__params__token", "address", "target"],
    "/admin/tasks/webhook/": ["sealed__startswith", "sealed", "format", "created_by"],
    "/admin/tasks/webhookdelivery/": [
        "webhook__sealed__startswith", "payload__k", "payload__icontains", "task_id",
        "attempts__0__answer__startswith", "event",
    ],
}  # fmt: skip
VALUES = ["TOPSEC", "(", "1", "\0"]


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    ("base", "name"), [(base, name) for base in FOREIGN for name in FOREIGN[base]]
)
def test_what_a_list_does_not_offer_is_not_looked_up(root, base, name):
    for value in VALUES:
        query = urlencode({name: value})
        assert asks_for_nothing(root.get(f"{base}?{query}"), base), query
        if base in {TASKS, "/admin/tasks/auditevent/"}:
            assert root.get(f"{base}export/?{query}").status_code == 400
        # Neither beside an action …
        form = {"action": "delete_selected", "_selected_action": [1], "post": "yes"}
        assert asks_for_nothing(root.post(f"{base}?{query}", form), base), query


WRONG = {
    TASKS: {
        "status__exact": ["zz", "", "\0", "failed,pending"],
        "pinned__exact": ["2", "True", "99999999999999999999", ""],
        "type": ["zz", "\0", "full-sync\0"],
        "version": ["a\0b", "x" * 5_000],
        "created_by": ["a\0b"],
        "created_at__gte": [
            "zz", "2025-01-01", "0001-01-01 00:00:00+14:00",
            "9999-12-31 23:59:59-14:00", "2025-13-01 00:00:00+00:00", "", "1e9", "\0",
        ],
        "created_at__year": ["zz", "0", "1", "9999", "9" * 11, "２０２５", " 2025"],
        "created_at__month": ["5"],
        "created_at__day": ["5"],
        "o": ["zz", "1." * 300, "9" * 5_000, "\0", "1;2"],
        "q": ["a\0b", "a " * 3_000],
        "p": ["a\0b", "older_x_y", "zz", "9" * 5_000],
        "all": ["zz"], "_popup": ["zz"], "_to_field": ["params", "\0"],
        "_facets": ["1"],
        "e": ["zz"],
    },
    KEYS: {"state": ["zz"], "scope": ["zz", "\0", "start:"], "p": ["0", "-1", "99"]},
    "/admin/tasks/runner/": {"state": ["zz", "\0"], "q": ["x" * 4_000]},
    "/admin/tasks/webhookdelivery/": {"state": ["zz", "\0"], "webhook": ["zz", "\0"]},
    "/admin/auth/user/": {
        "groups__id__exact": ["zz", "99999999999999999999", "0", "-1", "1e3", "\0"],
        "groups__isnull": ["zz", ""],
        "is_staff__exact": ["zz", "\0"],
        "q": ["a\0b", "a " * 3_000],
        "p": ["0", "99", "-1"],
    },
}  # fmt: skip


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    ("base", "name"), [(base, name) for base in WRONG for name in WRONG[base]]
)
def test_a_value_that_a_filter_has_not_leads_to_the_whole_list(root, base, name):
    for value in WRONG[base][name]:
        query = urlencode({name: value}, errors="surrogatepass")
        answer = root.get(f"{base}?{query}", follow=True)
        assert answer.status_code in {200, 400}, query
        if answer.status_code == 200:
            assert "database error" not in answer.text.lower()
            assert len(answer.context["cl"].result_list) >= 1


@pytest.mark.usefixtures("rows")
def test_a_list_says_why_it_is_whole(root):
    page = root.get(f"{TASKS}?lock=x", follow=True)
    assert "This is the whole list: it has no such filter" in page.text
    chinese = root.get(
        f"{TASKS}?lock=x", follow=True, headers={"Accept-Language": "zh-hans"}
    )
    assert "This is the whole list" not in chinese.text


def test_one_filter_given_twice_is_no_filter(root):
    TaskFactory.create_batch(2)
    query = "version=v885&version=v886"
    assert asks_for_nothing(root.get(f"{TASKS}?{query}"), TASKS)
    assert root.get(f"{TASKS}export/?{query}").status_code == 400


def test_what_a_list_offers_is_taken(root):
    TaskFactory(created_at=datetime(2025, 11, 26, tzinfo=UTC), status="failed")
    group = Group.objects.get(name="viewer")
    for query in (
        "status__exact=failed", "pinned__exact=0", "type=check-integrity", "type=",
        "version=v885", "created_by=alice", "version=&status__exact=failed",
        "created_at__year=2025&created_at__month=11&created_at__day=26",
        "created_at__gte=2025-11-26+00%3A00%3A00%2B00%3A00", "q=v8", "q=", "o=1.-2",
        "o=", "all=", "e=1", "_popup=1", "_popup=1&_to_field=id",
    ):  # fmt: skip
        answer = root.get(f"{TASKS}?{query}")
        assert answer.status_code == 200, query
        assert len(answer.context["cl"].result_list) == 1, query
    users = "/admin/auth/user/"
    for query in (
        f"groups__id__exact={group.pk}", "groups__isnull=True", "is_staff__exact=1",
        "is_superuser__exact=0", "is_active__exact=1", "_facets=True", "o=-1", "p=1",
        "q=root",
    ):  # fmt: skip
        assert root.get(f"{users}?{query}").status_code == 200, query


def links_of(page):
    """Where the filters and days of a list lead."""
    changes = page.context["cl"]
    for spec in changes.filter_specs:
        for choice in spec.choices(changes):
            if "query_string" in choice:
                yield choice["query_string"]


@pytest.mark.usefixtures("rows")
@lists
def test_every_link_that_a_list_offers_is_taken(root, base):
    page = root.get(base)
    for link in links_of(page):
        assert root.get(base + link).status_code == 200, link
    for day in getattr(getattr(page.context["cl"], "days", None), "choices", ()):
        assert root.get(base + day["link"]).status_code == 200, day


# --- What is no list ----------------------------------------------------------------

ODD = [
    "x", "0", "-1", "99999999999999999999999", "1e3", "%00", "_5F", "__", "1%00",
    "%ED%A0%80", "9" * 4_400, "٣", "1;drop", "../x", "%2e%2e", "None",
]  # fmt: skip


@pytest.mark.usefixtures("rows")
@lists
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_key_is_no_error_of_ours(root, base, odd):
    views = [
        "change/",
        "history/",
        "delete/",
        "password/",
        "cancel/",
        "rerun/",
        "pin/",
        "",
    ]
    paths = [f"{base}{odd}/{view}" for view in views]
    for path in (
        *paths,
        f"{paths[0]}?_to_field=id",
        f"{paths[0]}?_changelist_filters=%00",
    ):
        assert root.get(path).status_code < 500, path
        assert root.post(path, {"post": "yes"}).status_code < 500, path


@pytest.mark.usefixtures("rows")
@lists
@pytest.mark.parametrize(
    "ticked", ["x", "9" * 30, "-" + "9" * 30, "\0", "", "1e3", "9" * 4_400, "\ud800"]
)
@pytest.mark.parametrize("action", ["delete_selected", "revoke_selected", "zz", "\0"])
def test_rows_that_cannot_be_are_not_acted_on(root, base, ticked, action):
    form = {"action": action, "_selected_action": [ticked], "post": "yes", "sure": "y"}
    answer = root.post(base, urlencode(form, doseq=True, errors="surrogatepass"),
                       content_type="application/x-www-form-urlencoded")  # fmt: skip
    assert answer.status_code < 500
    assert Task.objects.count() == 1


@pytest.mark.parametrize(
    "path",
    [
        "/admin/autocomplete/?app_label=auth&model_name=user&field_name=groups&q=%00",
        "/admin/autocomplete/?app_label=tasks&model_name=task&field_name=runner&term=x",
        "/admin/r/1/x/",
        "/admin/r/x/1/",
        "/admin/r/1%00/1/",
        "/admin/r/9999999999999/1/",
    ],
)
def test_views_that_no_page_uses_are_not_there(root, path):
    assert root.get(path).status_code == 404


@pytest.mark.parametrize("base", ["/admin/auth/user/", "/admin/auth/group/", KEYS])
def test_odd_values_of_a_form_are_no_error_of_ours(root, base):
    for query in ("?groups=zz", "?name=%00&scope=zz", "?username=%00&_popup=1",
                  "?_popup=zz&_to_field=zz", "?date_joined=zz"):  # fmt: skip
        assert root.get(f"{base}add/{query}").status_code < 500, query
    for form in (
        {"_popup": "1", "_source_model": "zz", "name": "g1"},
        {"_popup": "1", "_source_model": "zz.zz", "_to_field": "id", "name": "g2"},
        {"groups": ["zz", "9" * 30], "username": "a\0b", "name": "a\0b"},
        {"scope": "zz", "name": "x", "last_day": "zz", "networks": "\0"},
        {"scope": "read", "name": "x" * 5_000, "last_day": "9999-12-31"},
    ):
        assert root.post(f"{base}add/", form).status_code < 500, form


def test_odd_groups_of_a_user_are_no_error_of_ours(root):
    eve = UserFactory(username="eve")
    for group in ("9" * 30, "-1", "zz", "\0", "9" * 4_400):
        form = {"username": "eve", "groups": [group]}
        assert root.post(f"/admin/auth/user/{eve.pk}/change/", form).status_code == 200
    assert not User.objects.get(pk=eve.pk).groups.exists()


# --- Made-up input ------------------------------------------------------------------

SAID = ["version", "type", "status", "created_at", "params", "lock", "pinned", "o", "p",
        "q", "e", "all", "created_by", "state", "scope", "actor", "action", "at",
        "groups", "is_staff", "_to_field", "_popup", "_facets", "id"]  # fmt: skip
LOOKUPS = ["", "__exact", "__isnull", "__regex", "__gte", "__lt", "__year",
           "__month", "__day", "__in", "__range", "__id__exact",
           "__token__startswith"]  # fmt: skip
words = st.tuples(st.sampled_from(SAID), st.sampled_from(LOOKUPS))
names = st.builds("".join, words)
values = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.datetimes().map(str),
    st.datetimes(timezones=st.timezones()).map(str),
    st.floats().map(str),
    st.sampled_from(["older_1_2025-01-01T00:00:00+00:00", "1.-2", "True", "failed"]),
)
queries = st.lists(st.tuples(names, values), max_size=4)


@pytest.mark.usefixtures("rows")
@lists
def test_no_query_is_an_error_of_ours(root, base):
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    @given(queries)
    def ask(query):
        text = urlencode(query, errors="surrogatepass")
        assert root.get(f"{base}?{text}").status_code in {200, 302, 400}, text
        form = {"action": "zz", "_selected_action": [value for _name, value in query]}
        form = urlencode(form, doseq=True, errors="surrogatepass")
        kind = "application/x-www-form-urlencoded"
        assert root.post(base, form, content_type=kind).status_code < 500, form

    ask()
