"""What the palette is given to find: types, pages and acts, by their names in both
languages and by what people type for them."""

import pytest
from django.utils import translation

from resource_sync.urls import urlpatterns as ours
from tasks.catalog.loader import load
from tasks.web.pinyin import initials

pytestmark = pytest.mark.django_db

TYPES = """
[pack-atlas]
title = {en = "Pack the atlas", zh-hans = "打包图集"}
[pack-atlas.params.version]
title = {en = "Version", zh-hans = "版本"}
pattern = "v[0-9]+"
[pack-atlas.params.note]
required = false
[pack-atlas.params.channel]
choices = ["beta", "live"]
labels = {beta = {en = "Beta", zh-hans = "测试"}}
default = "beta"
[pack-atlas.params.force]
choices = ["no", "yes"]
default = "no"
[pack-atlas.params.token]
secret = true
[[pack-atlas.steps]]
command = ["true"]

[sweep]
confirm = true
[[sweep.steps]]
command = ["true"]

[tidy]
hidden = true
[[tidy.steps]]
command = ["true"]
"""


@pytest.fixture(autouse=True)
def _own_types(use_task_types):
    use_task_types(TYPES)


def palette(client, language="en"):
    answer = client.get("/palette", headers={"Accept-Language": language})
    assert answer.status_code == 200
    return answer.json()


def names(entries):
    return {
        entry["title"]: [name["text"] for name in entry["names"]] for entry in entries
    }


def test_strangers_are_sent_to_sign_in(stranger):
    assert stranger.get("/palette")["Location"] == "/admin/login/?next=/palette"


@pytest.mark.parametrize(
    ("group", "types"),
    [("viewer", []), ("operator", ["pack-atlas"]), ("admin", ["pack-atlas", "sweep"])],
)
def test_it_has_the_types_that_one_may_start_and_none_that_is_hidden(
    person, group, types
):
    found = palette(person(group))
    assert [kind["name"] for kind in found["types"]] == types
    assert "tidy" not in found["titles"]


def test_a_type_is_called_by_its_titles_and_its_name_whatever_the_language(staff):
    english, chinese = (palette(staff, code)["types"][0] for code in ("en", "zh-hans"))
    assert (english["title"], chinese["title"]) == ("Pack the atlas", "打包图集")
    for kind in (english, chinese):
        texts = {name["text"]: name.get("letters") for name in kind["names"]}
        assert texts["打包图集"] == ["d", "b", "t", "j"]
        assert texts.keys() == {"Pack the atlas", "打包图集", "pack-atlas"}
        assert texts["pack-atlas"] is None


def test_values_are_for_the_version_and_for_choices_that_name_themselves(staff):
    version, channel = palette(staff)["types"][0]["params"]
    assert (version["name"], version["pattern"]) == ("version", "v[0-9]+")
    assert channel["name"] == "channel"
    assert channel["choices"][0] == {
        "value": "beta",
        "title": "Beta",
        "names": ["beta", "Beta", "测试"],
    }


def test_pages_are_called_by_their_names_in_every_language(staff):
    english, chinese = (palette(staff, code)["pages"] for code in ("en", "zh-hans"))
    with translation.override("zh-hans"):
        history = translation.gettext("History")
    for pages, title in ((english, "History"), (chinese, history)):
        assert {"History", history} <= set(names(pages)[title])


def test_a_page_that_is_not_there_is_not_found(staff, settings):
    class Urls:
        urlpatterns = [
            entry for entry in ours if getattr(entry, "name", "") != "history"
        ]

    paths = [page["url"] for page in palette(staff)["pages"]]
    assert "/history" in paths
    settings.ROOT_URLCONF = Urls
    assert "/history" not in [page["url"] for page in palette(staff)["pages"]]


def test_the_other_language_is_offered_by_its_own_name(staff):
    for code, other in (("en", "简体中文"), ("zh-hans", "English")):
        acts = palette(staff, code)["acts"]
        assert [act["title"] for act in acts if act["act"] == "language"] == [other]


# --- Pinyin -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "typed"),
    [
        ("打包图集", "dbtj"),
        ("检查完整性", "jcwzx"),
        ("完整同步", "wztb"),
        ("更新复用记录", "gxfyjl"),
        ("核对存储", "hdcc"),
        ("回滚", "hg"),
        ("校验清单", "jyqd"),
        ("重新构建", "cxgj"),
        ("渲染预览", "xryl"),
        ("骨骼动画", "ggdh"),
        ("啊座", "az"),  # the first of all, and the last
    ],
)
def test_each_character_has_the_letter_that_people_type(title, typed):
    letters = initials(title)
    assert len(letters) == len(title)
    assert all(letter in letters[i] for i, letter in enumerate(typed))


def test_what_is_not_chinese_has_no_letters():
    assert initials("Full sync") == []
    assert initials("同步 iOS") == ["t", "b", "", "", "", ""]


def test_every_title_of_the_built_in_types_has_letters(settings):
    for kind in load(settings.BASE_DIR / "task_types.toml").values():
        with translation.override("zh-hans"):
            title = kind.local(kind.title)
        chinese = [c for c in title if not c.isascii()]
        assert chinese
        assert all(initials(c) for c in chinese), title
