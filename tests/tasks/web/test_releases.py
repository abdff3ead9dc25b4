"""The page of releases: what is live, what was live when, and the way back."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from resources.signing.keys import make_key, read_private_key
from resources.signing.signatures import sign
from resources.stores.pointer import Signature
from tasks import changes
from tasks.presenters import release_panels
from tasks.releases import served_within
from tests.factories import TaskFactory
from tests.resources.conftest import NEW_FILES, OLD_FILES, Game
from tests.tasks.served import (
    forget_readings,
    hanging,
    roll_out_demo,
    served,
    write_pointers,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def admin(person):
    return person("admin")


@pytest.fixture
def task():
    return TaskFactory(type="full-sync", status="completed", created_by="carol")


def publish(store, *versions, platform="ios", task_id=None, channel="live"):
    """Serve these versions for a day each, the last of them for an hour so far."""
    now = timezone.now()
    times = [now - HOUR - n * DAY for n in range(len(versions))][::-1]
    before = [None, *versions]
    pointers = [
        served(version, at, previous=before[n], task_id=task_id)
        for n, (version, at) in enumerate(zip(versions, times, strict=True))
    ]
    write_pointers(store, platform, *pointers, channel=channel)


def panel_of(answer, platform="ios"):
    (panel,) = [p for p in answer.context["panels"] if p.platform == platform]
    return panel


def text_of(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def section(answer, platform="ios"):
    """One platform's panel, as people read it."""
    html = answer.text.split(f'aria-labelledby="release-{platform}-title"')[1]
    return text_of(html.split("</section>")[0].partition(">")[2])


def back_of(answer, platform="ios"):
    """What the link that rolls back fills in; None where there is none."""
    back = panel_of(answer, platform).back
    if not back:
        return None
    assert back.replace("&", "&amp;") in answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}


def test_a_panel_says_what_is_live_since_when_by_whom_and_what_was_before(
    staff, store, task
):
    publish(store, "v884", "v885", task_id=task.pk)
    text = section(staff.get("/releases"))
    assert "v885 live Since 1 h ago" in text
    assert "Published by Full sync v885 carol Previous v884" in text


def test_who_signed_what_is_live_is_said_where_a_trusted_key_proves_it(
    staff, store, tmp_path, monkeypatch
):
    key = make_key(tmp_path / "key")
    pointer = served("v885", timezone.now() - HOUR)
    signature = sign(pointer.values(), read_private_key(str(tmp_path / "key")))
    pointer = pointer._replace(signature=Signature(**signature))
    write_pointers(store, "ios", pointer)
    monkeypatch.setenv("RESOURCE_TRUSTED_KEYS", f"{tmp_path}/key.pub")
    # The page asks the store, and does not wait for it.
    says = f"Signed by {key.key_id}"
    wait_until(lambda: says in section(staff.get("/releases")), says)
    monkeypatch.delenv("RESOURCE_TRUSTED_KEYS")
    forget_readings()
    served_within(10, ["ios"])
    assert "Signed by" not in section(staff.get("/releases"))


def test_the_moves_are_listed_newest_first_with_how_long_each_was_live(
    staff, store, task
):
    publish(store, "v884", "v885", "v884", "v885", task_id=task.pk)
    answer = staff.get("/releases")
    rows = panel_of(answer).rows
    assert [row.span.version for row in rows] == ["v885", "v884", "v885", "v884"]
    assert [row.served_for for row in rows] == ["1 h 0 m", *["1 d 0 h"] * 3]
    moves = [text_of(row) for row in answer.text.split("<tr")[2:6]]
    assert "Published again" in moves[0]
    assert "Rolled back" in moves[1]
    assert "First published" in moves[2]
    assert "First published" in moves[3]
    assert "Full sync v885 carol" in moves[1]


def test_a_long_history_is_cut_until_all_of_it_is_asked_for(staff, store):
    count = release_panels.ROWS + 3
    publish(store, *(f"v{n}" for n in range(count)))
    answer = staff.get("/releases?days=30")
    assert len(panel_of(answer).rows) == release_panels.ROWS
    assert f"Show all {count}" in section(answer)
    link = re.search(r'href="(\?[^"]*all=ios[^"]*)"', answer.text)[1]
    answer = staff.get("/releases" + link.replace("&amp;", "&"))
    assert len(panel_of(answer).rows) == count
    assert answer.context["days"] == 30
    assert "Show all" not in section(answer)


def test_it_offers_to_go_back_to_the_version_before(admin, store):
    publish(store, "v883", "v884", "v885")
    answer = admin.get("/releases")
    assert back_of(answer) == {
        "type": "rollback",
        "version": "v884",
        "platforms": "ios",
    }
    assert "Roll back to v884 …" in section(answer)
    form = admin.get(panel_of(answer).back).context["forms"]
    (chosen,) = [each for each in form if each.is_chosen]
    assert chosen.kind.name == "rollback"
    assert {field.name: field.value for field in chosen.fields} == {
        "version": "v884",
        "platforms": "ios",
        "channel": "live",
    }


def test_a_channel_has_its_own_history_and_way_back(admin, store, task):
    publish(store, "v884")
    publish(store, "v885", "v886", task_id=task.pk, channel="beta")
    publish(store, "v884", platform="android")
    live = admin.get("/releases")
    assert [row.span.version for row in panel_of(live).rows] == ["v884"]
    assert "beta v886" in section(live)
    link = re.search(r'href="(\?channel=beta)"', live.text)[1]
    beta = admin.get(f"/releases{link}")
    assert [row.span.version for row in panel_of(beta).rows] == ["v886", "v885"]
    says = section(beta)
    assert "v886 beta Since 1 h ago Published by Full sync v885 carol" in says
    assert "beta v886" not in says.replace("v886 beta", "")  # it is said above
    assert back_of(beta) == {
        "type": "rollback",
        "version": "v885",
        "platforms": "ios",
        "channel": "beta",
    }
    assert "Nothing is published on beta yet." in section(beta, "android")
    assert "Start Full sync" not in section(beta, "android")


@pytest.mark.parametrize("channel", ["", "qa", "../x", "live"])
def test_a_channel_that_there_is_not_is_as_if_none_was_named(staff, store, channel):
    publish(store, "v884")
    answer = staff.get("/releases", {"channel": channel})
    assert "v884 live" in section(answer)
    assert 'aria-label="Channel"' not in answer.text


def test_after_a_rollback_the_way_back_is_to_one_that_is_older_still(admin, store):
    publish(store, "v883", "v884", "v885", "v884")
    assert back_of(admin.get("/releases"))["version"] == "v883"


@pytest.mark.parametrize("group", ["viewer", "operator"])
def test_who_may_not_roll_back_is_not_offered_it(person, store, group):
    publish(store, "v884", "v885")
    answer = person(group).get("/releases")
    assert back_of(answer) is None
    assert "Roll back to" not in answer.text


def test_a_platform_that_the_form_does_not_know_is_not_rolled_back_with_all_others(
    admin, store, monkeypatch
):
    monkeypatch.setenv("RESOURCE_PLATFORMS", "wechat=WeChat,ios")
    for platform in ("wechat", "ios"):
        publish(store, "v884", "v885", platform=platform)
    answer = admin.get("/releases")
    assert back_of(answer, "wechat") is None
    assert back_of(answer, "ios") is not None


def test_nothing_goes_back_where_there_is_no_such_type(admin, store, use_task_types):
    publish(store, "v884", "v885")
    use_task_types('[say]\n[[say.steps]]\ncommand = ["true"]\n')
    answer = admin.get("/releases")
    assert back_of(answer) is None
    assert answer.context["first_release"] is None


def test_a_platform_that_published_nothing_says_what_to_do(person, store):
    answer = person("operator").get("/releases")
    assert section(answer) == "iOS Nothing is published yet. Start Full sync"
    assert 'href="/?type=full-sync"' in answer.text
    assert section(person("viewer").get("/releases")) == "iOS Nothing is published yet."


def test_a_store_that_can_not_be_read_is_said_and_the_others_are_shown(staff, store):
    publish(store, "v885", platform="android")
    publish(store, "v885")
    (store / "ios/current.json").write_bytes(b"{")
    answer = staff.get("/releases")
    assert section(answer) == "iOS The store could not be read."
    assert "v885 live" in section(answer, "android")
    assert answer.text.count("data-unanswered") == 1


def test_a_store_that_hangs_holds_the_page_up_for_a_moment_only(staff, store):
    publish(store, "v885", platform="android")
    with hanging(store / "ios/current.json"):
        answer = staff.get("/releases")
        assert section(answer) == "iOS The store did not answer in time."
        assert "v885 live" in section(answer, "android")


def test_what_nobody_wrote_down_is_not_made_up(staff, store):
    write_pointers(store, "ios", served("v885", previous="v884"))
    (store / "ios/history.json").unlink()
    text = section(staff.get("/releases"))
    assert "v885 live Since – Published by – Previous v884" in text
    assert "v885 Start not recorded" in text
    assert "v884 Not recorded" in text


@pytest.mark.parametrize(
    ("given", "days"), [("30", 30), ("90", 90), ("14", 14), ("x", 14), ("7", 14)]
)
def test_the_address_says_how_many_days_are_shown(staff, store, given, days):
    publish(store, "v885")
    answer = staff.get(f"/releases?days={given}")
    assert answer.context["days"] == days
    assert panel_of(answer).ribbon.window.days == days
    assert len(re.findall(r'aria-current="true"', answer.text)) == 1


def test_the_parts_that_change_are_those_of_the_page(staff, store):
    publish(store, "v884", "v885")
    page, parts = staff.get("/releases").text, staff.get("/live/releases").text
    swapped = re.findall(r'data-swap="([^"]+)"', parts)
    assert "release-ios" in swapped
    assert "moves-facebook" in swapped
    for place in swapped:
        assert f'id="{place}"' in page


def test_tasks_are_asked_for_once_however_many_platforms_there_are(staff, store):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as found:
            staff.get("/releases")
        return [
            query for query in found.captured_queries if '"tasks_task"' in query["sql"]
        ]

    for platform in ("ios", "android", "facebook"):
        ids = [TaskFactory(status="completed").pk for _ in range(2)]
        publish(store, "v884", "v885", platform=platform, task_id=ids[0])
    assert len(queries()) == 1


def test_the_pages_lead_to_it(staff, store):
    assert 'href="/releases"' in staff.get("/").text
    page = staff.get("/releases").text
    assert re.search(r'href="/releases"\s+aria-current="page"', page)


def test_two_versions_are_chosen_by_the_address(staff, store):
    publish(store, "v883", "v884", "v885")
    answer = staff.get("/releases?platform=ios&from=v883&to=v885&days=30")
    html = render_to_string(
        "release_compare.html",
        {
            "panel": panel_of(answer),
            "compared": answer.context["compared"],
            "days": answer.context["days"],
        },
        answer.wsgi_request,
    )
    chosen = re.findall(r"<option\s+selected>(\w+)", html)
    assert chosen == ["v883", "v885"]
    assert 'name="days" value="30"' in html


def offered(answer, platform="ios"):
    """Which versions a panel offers to compare, and which of them are chosen."""
    form = answer.text.split(f'name="platform" value="{platform}"')[1]
    form = form.split("</form>")[0]
    return (
        re.findall(r"<option[^>]*>(\w+)", form.split("</select>")[0]),
        re.findall(r"<option\s+selected>(\w+)", form),
    )


def test_what_is_live_is_compared_with_what_was_before(staff, store):
    publish(store, "v883", "v884", "v885")
    found = offered(staff.get("/releases"))
    assert found == (["v885", "v884", "v883"], ["v884", "v885"])


def test_a_version_that_waits_in_the_source_is_compared_with_what_is_live(
    staff, released
):
    released.build("v886", NEW_FILES)
    found = offered(staff.get("/releases"))
    assert found == (["v886", "v885", "v884"], ["v885", "v886"])


def test_nothing_is_offered_to_compare_where_there_is_one_version(staff, store):
    publish(store, "v885")
    assert 'class="release-compare"' not in staff.get("/releases").text


@pytest.fixture
def released(store, tmp_path):
    """A game of which v884 and then v885 went live on iOS."""
    game = Game(tmp_path / "resources")
    for version, files in (("v884", OLD_FILES), ("v885", NEW_FILES)):
        game.build(version, files)
        game.lines("sync", version, "--platform", "ios")
    return game


def test_what_two_versions_differ_by_is_shown_and_closed_again(staff, released):
    query = "platform=ios&from=v884&to=v885"
    changes.changes_within(60, "ios", "v885", "v884")  # so that it is known at once
    answer = staff.get(f"/releases?{query}&days=30")
    assert not answer.context["changes"].problem
    compared = text_of(answer.text.split('id="compared-title"')[1])
    assert "Changes on iOS v884 → v885" in compared
    assert answer.context["changes"].sentence in compared
    assert 'href="?days=30"' in answer.text
    part = staff.get(f"/live/releases?{query}").text
    assert answer.context["changes"].sentence in part.split('data-swap="changes"')[1]


def test_what_can_not_be_compared_says_why(staff, store):
    publish(store, "v884", "v885")
    answer = staff.get("/releases?platform=xbox&to=v885")
    assert answer.context["changes"].problem.startswith("There is no platform xbox")
    assert "There is no platform xbox" in answer.text


@pytest.mark.parametrize("query", ["", "platform=ios", "to=v885", "from=v884"])
def test_nothing_is_compared_unless_a_platform_and_a_version_are_named(
    staff, store, query
):
    answer = staff.get(f"/releases?{query}")
    assert answer.context["changes"] is None
    assert "compared-title" not in answer.text


# --- Channels -------------------------------------------------------------------------


@pytest.fixture
def tried(store, tmp_path):
    """v884 is live, 2.5 percent get v885 on iOS, and so have all of its beta."""
    roll_out_demo(tmp_path)


def ways_on(answer, platform="ios"):
    """The links beside what channels serve, and what they fill in."""
    return [
        (words, dict(parse_qsl(urlsplit(url).query)))
        for line in panel_of(answer, platform).channels
        for words, url in line.acts
        if url.replace("&", "&amp;") in answer.text
    ]


def test_a_rollout_and_another_channel_have_their_ways_on(admin, tried):
    answer = admin.get("/releases")
    some = {"version": "v885", "platforms": "ios"}
    live = {**some, "channel": "live"}
    assert "v885 for 2.5 % of players Roll out further… Halt…" in section(answer)
    assert ways_on(answer) == [
        ("Roll out further…", {**live, "type": "rollout", "percent": "5"}),
        ("Halt…", {**live, "type": "halt-rollout"}),
        ("Promote…", {**some, "type": "promote", "from": "beta"}),
    ]
    assert ways_on(answer, "android") == []


def test_a_version_that_was_live_for_less_than_a_second_says_so(admin, store):
    now = timezone.now()
    first, then = now - HOUR, now - HOUR + timedelta(milliseconds=840)
    moves = served("v885", first), served("v884", then, previous="v885")
    write_pointers(store, "ios", *moves)
    rows = panel_of(admin.get("/releases")).rows
    assert [row.served_for for row in rows] == ["59 m 59 s", "840 ms"]


def test_who_may_not_start_them_sees_the_channels_alone(person, tried):
    answer = person("viewer").get("/releases")
    assert "beta v885" in section(answer)
    assert ways_on(answer) == []
