"""The operator's pages say the same in English and in Chinese."""

import re

import pytest

from .pages import HOW_TO, OF_OPERATORS, ROOT, chinese, commands, english, prose, tables

INDEXES = ROOT / "docs/README.md", ROOT / "docs/README.zh-CN.md"
HAN = re.compile(r"[\u4e00-\u9fff]")
# Of commands, paths and names a page has a lot; of what is said, most is Chinese.
LEAST_HAN = 0.25


def texts(name):
    return english(name).read_text(), chinese(name).read_text()


@pytest.mark.parametrize("name", OF_OPERATORS)
def test_both_pages_have_the_same_headings_tables_and_lists(name):
    there, here = map(shape, texts(name))
    assert there == here


def shape(page):
    text = prose(page)
    return {
        "headings": re.findall(r"^(#+) ", text, re.MULTILINE),
        "tables": [[len(row) for row in table] for table in tables(text)],
        "bullets": len(re.findall(r"^- ", text, re.MULTILINE)),
        "steps": len(re.findall(r"^[0-9]+\. ", text, re.MULTILINE)),
    }


@pytest.mark.parametrize("name", OF_OPERATORS)
def test_both_pages_have_the_same_commands(name):
    there, here = map(commands, texts(name))
    assert there == here


@pytest.mark.parametrize("name", OF_OPERATORS)
def test_both_pages_lead_to_the_same_places(name):
    """To the Chinese page from the Chinese one, where there is one."""
    there, here = (
        {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)}
        for text in texts(name)
    )
    own = {f"{other}.md" for other in OF_OPERATORS}
    translated = {
        link.replace(".md", ".zh-CN.md") if link in own else link for link in there
    }
    # Each also leads to itself in the other language.
    back, forth = {f"{name}.md"}, {f"{name}.zh-CN.md"}
    assert here - back - {""} == translated - forth - {""}
    assert back <= here


@pytest.mark.parametrize("name", OF_OPERATORS)
def test_the_chinese_page_is_chinese(name):
    said = re.sub(r"`[^`]*`|\]\([^)]*\)|\s", "", prose(chinese(name).read_text()))
    assert len(HAN.findall(said)) > LEAST_HAN * len(said)


def test_each_chinese_page_has_an_english_one_that_is_compared():
    there = {path.name.removesuffix(".zh-CN.md") for path in HOW_TO.glob("*.zh-CN.md")}
    assert there == set(OF_OPERATORS)


def test_both_indexes_have_the_operator_s_pages_in_the_same_order():
    lists = []
    link = re.compile(r"\]\(how-to/([a-z0-9-]+)(?:\.zh-CN)?\.md")
    for index in INDEXES:
        links = link.findall(index.read_text())
        lists.append([one for one in dict.fromkeys(links) if one in OF_OPERATORS])
    assert set(lists[1]) == set(OF_OPERATORS)
    assert lists[0] == lists[1]
