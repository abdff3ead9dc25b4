"""What a page imports is in the page's own file, and does there what it did alone."""

import re
import shutil
import subprocess

import pytest
from django.conf import settings

from resource_sync.bundles import (
    BundleError,
    bundle,
    sheet_bundle,
    short_script,
    short_sheet,
)

STATIC = settings.BASE_DIR / "static"
# Any import that is no call, however it is written: a call asks when it is needed.
IMPORTED = re.compile(r"""\b(?:from|import)\s*["'](\.[^"']+)["']""")

MODULES = {
    "js/page.js": """// A page.
import { count } from "./count.js";
import {
  end as finish,
  say,
} from "./in/say.js";

const own = "page"; // a name that others have, too
say(own, count());
import("./in/more.js").then(({ more }) => {
  more();
  finish();
});
""",
    "js/count.js": """import { say } from "./in/say.js";

const own = "count";
let counted = 0;
say(own, count());

export function count() {
  counted += 1;
  return counted;
}
""",
    "js/in/say.js": """const own = [];

export const say = (...words) => own.push(words.join(" "));

export async function end() {
  console.log(own.join(", "));
}
""",
    "js/in/more.js": """import { count } from "../count.js";
import { say } from "./say.js";

export const more = () => say("more", count());
""",
}


def ran(folder, files: dict[str, str]) -> str:
    """Return what a page prints whose files are these."""
    for name, text in {"package.json": '{"type": "module"}', **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    page = str(folder / "js/page.js")
    done = subprocess.run(["node", page], capture_output=True, text=True, timeout=60)
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.mark.node
@pytest.mark.skipif(not shutil.which("node"), reason="there is no node")
@pytest.mark.parametrize("shrunk", [str, short_script])
def test_a_bundle_does_what_its_modules_do(tmp_path, shrunk):
    """In their order, each once and with names of its own; what is asked for later has
    what the page has."""
    bundles = {
        name: shrunk(bundle(name, MODULES.__getitem__))
        for name in ("js/page.js", "js/in/more.js")
    }
    said = ran(tmp_path / "modules", MODULES)
    assert ran(tmp_path / "bundles", bundles) == said == "count 1, page 2, more 3\n"


def test_what_only_people_read_goes_and_what_programs_read_stays():
    script = """// What it is.

export const a = () => {
  // Why.
  const url = "https://a.example//b"; // where
  return `${url}//c`;
};
"""
    assert short_script(script) == (
        'export const a = () => {\nconst url = "https://a.example//b"; // where\n'
        "return `${url}//c`;\n};\n"
    )
    sheet = """/* What
it is. */
a :is(b) { /* why */
  width: calc(1px +
    2px);
}
"""
    assert short_sheet(sheet) == "a :is(b) { width: calc(1px +\n2px);\n}\n"


def written(name: str) -> str:
    return (STATIC / name).read_text()


def graph(name: str) -> set[str]:
    """Return a module and all that it needs before it runs."""
    found, wanted = set(), [STATIC / name]
    while wanted:
        module = wanted.pop()
        if module in found:
            continue
        found.add(module)
        targets = IMPORTED.findall(module.read_text())
        wanted += [(module.parent / target).resolve() for target in targets]
    return {module.relative_to(STATIC).as_posix() for module in found}


@pytest.mark.parametrize(
    "name", sorted(path.name for path in (STATIC / "js").glob("*_page.js"))
)
def test_a_page_s_bundle_is_exactly_what_it_needs_first(name):
    text = bundle(f"js/{name}", written)
    names = re.findall(r'^\$modules\["([^"]+)"\] \?\?=', text, re.MULTILINE)
    assert sorted(names) == sorted(graph(f"js/{name}"))
    assert not [module for module in names if "palette/" in module]


def test_what_is_no_module_stays_as_it_is():
    assert bundle("js/theme.js", written) == written("js/theme.js")


@pytest.mark.parametrize(
    "line",
    [
        'import say from "./say.js";',
        'import * as said from "./say.js";',
        'import "./say.js";',
        'export { say } from "./say.js";',
        "export default say;",
        "export let said = 1;",
    ],
)
def test_a_form_that_it_does_not_know_is_refused_by_name(line):
    files = {"js/a.js": f"{line}\nexport const a = 1;\n", "js/say.js": ""}
    with pytest.raises(BundleError) as refused:
        bundle("js/a.js", files.__getitem__)
    assert f"js/a.js: {line!r} can't be bundled; expected" in str(refused.value)


def test_a_module_that_would_hide_the_others_is_refused():
    files = {"js/a.js": "export const a = 1;\nfunction $modules() {}\n"}
    with pytest.raises(BundleError, match=r"^js/a.js: the name \$modules is"):
        bundle("js/a.js", files.__getitem__)


def test_modules_that_import_each_other_are_named():
    files = {
        "js/a.js": 'import { b } from "./b.js";\nexport const a = 1;\n',
        "js/b.js": 'import { a } from "./a.js";\nexport const b = 1;\n',
    }
    with pytest.raises(BundleError, match=r"^js/a.js → js/b.js → js/a.js: these"):
        bundle("js/a.js", files.__getitem__)


def test_a_sheet_has_those_that_it_imports_in_their_places():
    files = {
        "css/page.css": '/* All. */\n@import "a.css";\n@import "b.css";\nli {}\n',
        "css/a.css": "a {}\n",
        "css/b.css": '@import "in/c.css";\nb {}\n',
        "css/in/c.css": "i {}\n",
    }
    sheet = sheet_bundle("css/page.css", files.__getitem__)
    assert "@import" not in sheet
    assert re.findall(r"\w+ \{\}", sheet) == ["a {}", "i {}", "b {}", "li {}"]
