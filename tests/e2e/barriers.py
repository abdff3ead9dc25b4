"""What keeps people out of a page."""

from axe_playwright_python.sync_playwright import Axe

# All else is the same in the dark.
ONLY_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
# The colours of some buttons pass from one to the other.
COLOURS_HAVE_CHANGED = """async () => {
  await new Promise(requestAnimationFrame);
  await Promise.allSettled(document.getAnimations().map(({ finished }) => finished));
}"""


def barriers(page):
    """What axe-core finds that is serious or critical, bright or dark."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.evaluate(COLOURS_HAVE_CHANGED)
        rules = {} if scheme == "light" else ONLY_COLOURS
        found += [(scheme, *barrier) for barrier in _barriers(page, rules)]
    return found


def _barriers(page, rules):
    """The rules that are broken, and where."""
    # Its copies of stylesheets, which no rule here needs, our policy would refuse.
    violations = (
        Axe().run(page, options={"preload": False, **rules}).response["violations"]
    )
    return [
        (found["id"], [node["html"][:200] for node in found["nodes"]])
        for found in violations
        if found["impact"] in {"serious", "critical"}
    ]
