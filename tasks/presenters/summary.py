"""A task's summary as people read it: the Markdown of a job as HTML that does nothing.

What a job wrote is trusted with words, tables and links, and with nothing else: HTML
in it is text, a picture is a link to it, and links lead to other places, or to lines of
the log. The parser sees to that; the sanitiser behind it would also if the parser
failed.
"""

import re
from collections.abc import MutableMapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from django.utils.safestring import SafeString, mark_safe

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

LINK = re.compile(r"https?://|mailto:|#L[0-9]+\Z", re.IGNORECASE)
# Of a bare address: its end is no punctuation, which belongs to the sentence.
ADDRESS = re.compile(r"\bhttps?://[\w.~:/?#@!$&()*+,;=%\[\]-]*[\w/~=&#%]", re.ASCII)
COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
# Controls, and what turns the direction of a text, so that it reads as another one.
UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
FIRST_LEVEL = 3  # of its headings: the page's own are above
LAST_LEVEL = 6
ALIGNED = {f"text-align:{side}": side for side in ("left", "center", "right")}
TAGS = {
    *("h3", "h4", "h5", "h6", "p", "br", "hr", "div", "blockquote", "pre", "code"),
    *("strong", "em", "s", "a", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
SCHEMES = {"http", "https", "mailto"}
KEPT = 8  # renderings; a reader of a task that runs asks for the same several times


def html_of(markdown: str) -> SafeString:
    """Return a summary as HTML for a page; "" where nothing of it is seen."""
    return mark_safe(_rendered(markdown))  # noqa: S308 (that is what it is made for)


@lru_cache(maxsize=KEPT)
def _rendered(markdown: str) -> str:
    import nh3  # here, because most processes never show one: see _parser()

    return nh3.clean(
        _parser().render(_seen(markdown)),
        tags=TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        attribute_filter=_only_safe_links,
        allowed_classes={
            "div": {"scroll"},
            "th": set(ALIGNED.values()),
            "td": set(ALIGNED.values()),
        },
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
    ).strip()


def _seen(markdown: str) -> str:
    """Return it with a name in place of each character that can't be seen."""
    plain = COLOURS.sub("", markdown)
    return UNSEEN.sub(lambda found: f"‹U+{ord(found[0]):04X}›", plain)


def _only_safe_links(_tag: str, attribute: str, value: str) -> str | None:
    return value if attribute != "href" or LINK.match(value) else None


@cache
def _parser() -> "MarkdownIt":
    """Return the parser. Importing it takes 0.1 s and 6 MB, so it waits until a
    summary is shown."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "breaks": True})
    parser.enable(["table", "strikethrough"])
    parser.validateLink = lambda url: bool(LINK.match(url))  # type: ignore[method-assign]
    parser.core.ruler.push("addresses", _link_addresses)
    for name in ("heading_open", "heading_close"):
        parser.add_render_rule(name, _heading)
    for name in ("th_open", "td_open"):
        parser.add_render_rule(name, _cell)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    parser.add_render_rule("image", _image)
    return parser


def _link_addresses(state: "StateCore") -> None:
    """Make links of the addresses in texts that are no links yet."""
    for block in state.tokens:
        if block.type != "inline" or "://" not in block.content:
            continue
        depth, children = 0, []
        for token in block.children or ():
            depth += token.nesting if token.type.startswith("link_") else 0
            is_text = token.type == "text" and not depth
            children += _with_links(token, state) if is_text else [token]
        block.children = children


def _with_links(text: "Token", state: "StateCore") -> "list[Token]":
    token, end, parts = type(text), 0, []
    for found in ADDRESS.finditer(text.content):
        url = state.md.normalizeLink(found[0])
        parts += [
            token("text", "", 0, content=text.content[end : found.start()]),
            token("link_open", "a", 1, attrs={"href": url}),
            token("text", "", 0, content=found[0]),
            token("link_close", "a", -1),
        ]
        end = found.end()
    return [*parts, token("text", "", 0, content=text.content[end:])]


# --- How some parts are written -------------------------------------------------------

Tokens = Sequence["Token"]
Env = MutableMapping[str, Any]


def _heading(self: Any, tokens: Tokens, index: int, options: Any, env: Env) -> str:
    token = tokens[index]
    token.tag = f"h{min(LAST_LEVEL, int(token.tag[1:]) + FIRST_LEVEL - 1)}"
    return str(self.renderToken(tokens, index, options, env))


def _cell(self: Any, tokens: Tokens, index: int, options: Any, env: Env) -> str:
    token = tokens[index]
    if style := token.attrs.pop("style", ""):
        token.attrSet("class", ALIGNED[str(style)])
    return str(self.renderToken(tokens, index, options, env))


def _table_open(*_: Any) -> str:
    return '<div class="scroll"><table>\n'


def _table_close(*_: Any) -> str:
    return "</table></div>\n"


def _image(self: Any, tokens: Tokens, index: int, options: Any, env: Env) -> str:
    """A picture from elsewhere would tell elsewhere who reads it."""
    from markdown_it.common.utils import escapeHtml

    token = tokens[index]
    url = escapeHtml(str(token.attrs["src"]))
    words = self.renderInlineAsText(token.children, options, env)
    return f'<a href="{url}">{escapeHtml(words) or url}</a>'
