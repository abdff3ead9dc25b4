"""What a job wrote of its task, on the task's page: Markdown, and nothing that acts."""

import os
import subprocess
import sys
import time
from html.parser import HTMLParser

import pytest
from django.conf import settings
from django.utils.html import strip_tags

from tasks.models import Task
from tasks.presenters import summary
from tasks.presenters.summary import html_of
from tasks.runner.output.summary import MOST_BYTES
from tests.factories import TaskFactory

REL = 'rel="noopener noreferrer nofollow"'


def written(text, **fields):
    size = len(text.encode())
    return TaskFactory(summary=text, summary_bytes=size, **fields)


# --- What Markdown becomes ----------------------------------------------------------


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**v885** is *built*", "<p><strong>v885</strong> is <em>built</em></p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("~~old~~ `new`", "<p><s>old</s> <code>new</code></p>"),
        ("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>'),
        ("```sh\nls <b>\n```", "<pre><code>ls &lt;b&gt;\n</code></pre>"),
        ("版本：**v885**", "<p>版本：<strong>v885</strong></p>"),
        ("", ""),
        (" \n\n", ""),
    ],
)
def test_it_is_commonmark_with_strikethrough(markdown, html):
    assert html_of(markdown) == html


def test_its_headings_stand_below_those_of_the_page():
    html = html_of("# one\n\n## two\n\n##### five\n\n###### six")
    assert html.split("\n") == [
        "<h3>one</h3>",
        "<h4>two</h4>",
        "<h6>five</h6>",
        "<h6>six</h6>",
    ]


def test_a_table_scrolls_by_itself_and_its_columns_stand_as_it_says():
    html = html_of("| a | b | c |\n| --- | ---: | :-: |\n| 1 | 2 | 3 |")
    assert html.startswith('<div class="scroll"><table>')
    assert '<th>a</th>\n<th class="right">b</th>\n<th class="center">c</th>' in html
    assert '<td>1</td>\n<td class="right">2</td>\n<td class="center">3</td>' in html
    assert "style" not in html


@pytest.mark.parametrize(
    ("markdown", "url", "words"),
    [
        ("[report](https://ci.example.com/1)", "https://ci.example.com/1", "report"),
        ("<mailto:a@b.example>", "mailto:a@b.example", "mailto:a@b.example"),
        ("[the error](#L120)", "#L120", "the error"),
        ("见 https://a.example/x_y_z。", "https://a.example/x_y_z", None),
        ("(see http://a.example/?q=1&r=2).", "http://a.example/?q=1&amp;r=2", None),
        ("![chart](https://a.example/c.png)", "https://a.example/c.png", "chart"),
        ("![](https://a.example/c.png)", "https://a.example/c.png", None),
    ],
)
def test_links_lead_elsewhere_or_to_a_line_and_say_nothing_of_the_reader(
    markdown, url, words
):
    html = html_of(markdown)
    assert f'<a href="{url}" {REL}>{words or url}</a>' in html
    assert "<img" not in html


def test_an_address_in_a_link_or_in_code_is_no_link_of_its_own():
    html = html_of("[at http://a.example now](https://b.example) `http://c.example`")
    assert html.count("<a ") == 1
    assert "<code>http://c.example</code>" in html


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)" onclick="alert(1)">x</a>',
        "<svg/onload=alert(1)><style>*{}</style><iframe src=//x>",
        "[x](javascript:alert(1))",
        "[x](JaVa&#115;cript:alert(1))",
        "[x](java\tscript:alert(1))",
        "[x](&#x01;javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:msgbox)",
        "[x](file:///etc/passwd)",
        "[x](//evil.example)",
        "[x](/admin/)",
        "[x](#logout)",
        "[x]: javascript:alert(1)\n\n[x]",
        "<javascript:alert(1)>",
        "![x](data:image/svg+xml,<svg/onload=alert(1)>)",
        '[x](https://a.example "\\" onmouseover=\\"alert(1)")',
        '![" onerror="alert(1)](https://a.example)',
        '![x](https://a.example/"onerror="alert(1))',
        '```" onclick="alert(1)\nx\n```',
        "| a |\n|:-:|\n| <script>alert(1)</script> |",
    ],
)
def test_nothing_in_it_acts(attack):
    """Already as the parser writes it, and behind the sanitiser."""
    parsed = elements(summary._parser().render(attack))
    for tag, attributes in parsed + elements(html_of(attack)):
        if tag == "code":
            continue  # the language that it says
        assert tag in summary.TAGS
        assert attributes.keys() <= {"href", "title", "rel", "class", "start"}
        assert attributes.get("href", "https://a.example")[:17] == "https://a.example"
        assert attributes.get("class", "scroll") in {"scroll", "center"}


def elements(html):
    """Return the elements as a browser finds them, each with its attributes."""
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append(
        (tag, dict(attributes))
    )
    parser.feed(html)
    return found


def test_the_sanitiser_alone_lets_nothing_act(monkeypatch):
    class Broken:
        def render(self, markdown):
            return markdown

    monkeypatch.setattr(summary, "_parser", Broken)
    harmful = (
        '<p onclick="x">a</p><script>b</script><a href="/admin/">c</a><img src="d">'
        '<a href="javascript:e">f</a><td class="panel" style="g">h</td>'
    )
    summary._rendered.cache_clear()
    html = html_of(harmful)
    summary._rendered.cache_clear()
    assert html == f"<p>a</p><a {REL}>c</a><a {REL}>f</a>h"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a‹U+202E›b"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x1b]0;title\x07", "a‹U+001B›]0;title‹U+0007›"),
        ("nul \0", "nul ‹U+0000›"),
    ],
)
def test_what_cannot_be_seen_is_named(text, shown):
    assert strip_tags(html_of(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "[" * MOST_BYTES,
        "![[" * (MOST_BYTES // 3),
        "[a](" * (MOST_BYTES // 4),
        "[a](b" * (MOST_BYTES // 5),
        "*a **a " * (MOST_BYTES // 7),
        "> " * (MOST_BYTES // 2),
        "- " * (MOST_BYTES // 2),
        "\n".join("  " * depth + "- a" for depth in range(250)),
        "|".join("a" * 10_000) + "\n" + "|".join("-" * 10_000) + "\nx" * 12_000,
        "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 6_000,
        "".join("e" + "`" * length for length in range(1, 350)),
        "http://a." + "a." * 30_000,
        "http:" * 13_000,
        "\u202e" * (MOST_BYTES // 3),
    ],
    ids=lambda text: text[:12],
)
def test_the_worst_that_fits_is_shown_in_time(text):
    """At most 1.3 s of one processor were measured, for the widest table."""
    assert len(text.encode()) <= MOST_BYTES
    begun = time.process_time()
    html = html_of(text)
    assert time.process_time() - begun < 20
    assert len(html) < 2_000_000


def test_the_same_text_is_rendered_once(monkeypatch):
    html_of("# again")
    monkeypatch.setattr(summary, "_parser", None)
    assert html_of("# again") == "<h3>again</h3>"


def test_a_process_that_shows_none_has_no_parser_in_memory():
    asked = (
        "import sys, django; django.setup(); import resource_sync.urls;"
        "print({'markdown_it', 'nh3'} & set(sys.modules))"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "resource_sync.settings"}
    answer = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "set()\n"


# --- Where it stands ----------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "query", "view"),
    [
        ("completed", "", "summary"),
        ("completed", "?view=log", "log"),
        ("completed", "?view=x", "log"),
        ("running", "", "log"),
        ("running", "?view=summary", "summary"),
        ("failed", "", "log"),
    ],
)
def test_a_good_end_is_shown_by_its_summary_and_all_else_by_the_log(
    staff, status, query, view
):
    task = written("# v885", status=status)
    html = staff.get(f"/tasks/{task.pk}{query}").text
    assert f'class="task-body" data-shows="{view}"' in html
    assert ">\n<h3>v885</h3>" in html or "><h3>v885</h3>" in html
    assert 'data-view="summary"' in html


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", " \n"])
def test_a_task_without_a_summary_is_its_log_alone(staff, text):
    task = written(text, status="completed")
    html = staff.get(f"/tasks/{task.pk}?view=summary").text
    assert 'data-shows="log"' in html
    assert 'class="markdown"' not in html
    assert "data-view=" not in html


@pytest.mark.django_db
def test_the_parts_that_are_renewed_have_it_and_say_how_long_it_is(staff):
    task = written("# v885", status="running", step_index=1)
    html = staff.get(f"/tasks/{task.pk}/facts").text
    assert "<h3>v885</h3>" in html
    assert 'data-stand="running 1 1 0 6"' in html
    Task.objects.update(summary=None, summary_bytes=None)
    html = staff.get(f"/tasks/{task.pk}/facts").text
    assert 'data-stand="running 1 1 0 0"' in html
    assert "data-view=" not in html
