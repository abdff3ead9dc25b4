"""What keeps people out of a page."""

from axe_playwright_python.sync_playwright import Axe


def barriers(page):
    """What axe-core finds that is serious or critical: the rule, and where."""
    # Its copies of stylesheets, which no rule here needs, our policy would refuse.
    violations = Axe().run(page, options={"preload": False}).response["violations"]
    return [
        (found["id"], [node["html"][:200] for node in found["nodes"]])
        for found in violations
        if found["impact"] in {"serious", "critical"}
    ]
