"""Our modules and sheets as browsers get them: all that a page imports in one file.

They are written as many small files, and each file costs a request of a browser that
has six at a time. docs/decisions/0053 says what that came to, and why no bundler of
others does it. With DEBUG=on browsers get them as they are written.
"""

import re
from collections.abc import Callable
from posixpath import dirname, join, normpath, relpath

Read = Callable[[str], str]

IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";$', re.MULTILINE)
EXPORT = re.compile(
    r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE
)
LATER = re.compile(r'\bimport\("(\.[^"]+)"\)')
# What the two leave is another form: a browser knows it, and this does not.
UNKNOWN = re.compile(r"^(?:import\b(?!\()|export\b).*", re.MULTILINE)
ALL = "$modules"  # what is in a page: name → what it exports
SHEET = re.compile(r'^@import "([^"]+)";$', re.MULTILINE)
# Comments on lines of their own, blank lines, indentation. What stands behind code may
# be part of a text, and stays.
ASIDE = re.compile(r"^[ \t]*(?://.*)?\n|^[ \t]+", re.MULTILINE)
ASIDE_IN_SHEET = re.compile(r"/\*.*?\*/\s*|^\s+", re.MULTILINE | re.DOTALL)


class BundleError(ValueError):
    """A file of ours can't be put into one with others; the message says why."""


def imports(name: str, text: str) -> list[str]:
    """Return the modules that a module's text imports before it runs."""
    return [_beside(name, target) for _, target in IMPORT.findall(text)]


def bundle(name: str, read: Read) -> str:
    """Return a module behind all that it imports, in the order in which they run. What
    a page has already, of another bundle, is not there twice. A file that neither
    imports nor exports stays as it is: it may be no module at all."""
    text = read(name)
    if not IMPORT.search(text) and not EXPORT.search(text):
        return text
    wrapped = [
        _wrapped(module, text, in_folder=dirname(name))
        for module, text in _in_order(name, read).items()
    ]
    return f"globalThis.{ALL} ??= {{}};\n{''.join(wrapped)}"


def sheet_bundle(name: str, read: Read) -> str:
    """Return a style sheet with those that it imports in their places."""
    return SHEET.sub(
        lambda found: sheet_bundle(_beside(name, found[1]), read), read(name)
    )


def short_script(text: str) -> str:
    """Return a script without what only people read: a quarter less to send. Lines stay
    lines, and names names, for who reads a stack."""
    return ASIDE.sub("", text)


def short_sheet(text: str) -> str:
    """Return the same of a style sheet."""
    return ASIDE_IN_SHEET.sub("", text)


def _in_order(name: str, read: Read) -> dict[str, str]:
    """Return modules' texts, each behind those that it imports."""
    done: dict[str, str] = {}
    begun: list[str] = []

    def visit(module: str) -> None:
        if module in done:
            return
        if module in begun:
            circle = " → ".join([*begun[begun.index(module) :], module])
            raise BundleError(f"{circle}: these modules import each other in a circle.")
        begun.append(module)
        text = read(module)
        for other in imports(module, text):
            visit(other)
        begun.pop()
        done[module] = text

    visit(name)
    return done


def _wrapped(name: str, text: str, in_folder: str) -> str:
    """Return a module as a function's body, so that its names stay its own."""

    def taken(found: re.Match[str]) -> str:
        names = found[1].replace(" as ", ": ")
        return f'const {{{names}}} = {ALL}["{_beside(name, found[2])}"];'

    def asked(found: re.Match[str]) -> str:
        module = _beside(name, found[1])
        path = relpath(module, in_folder)
        return f'import("./{path}").then(() => {ALL}["{module}"])'

    if ALL in text:
        raise BundleError(f"{name}: the name {ALL} is that of a page's modules.")
    exported = ", ".join(EXPORT.findall(text))
    text = LATER.sub(asked, EXPORT.sub("", IMPORT.sub(taken, text)))
    if unknown := UNKNOWN.search(text):
        raise BundleError(
            f"{name}: {unknown[0]!r} can't be bundled; expected "
            "'import { a, b as c } from \"./x.js\";' on one line or more, and "
            "'export' before a function, class or const."
        )
    return f'{ALL}["{name}"] ??= (() => {{\n{text}\nreturn {{ {exported} }};\n}})();\n'


def _beside(name: str, target: str) -> str:
    return normpath(join(dirname(name), target))
