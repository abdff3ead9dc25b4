"""What runners write into logs, in the language of the page."""

import re

from django.utils.translation import gettext as _

from tasks.logs.own_lines import OWN_LINES
from tasks.reasons import SENTENCES

# Of the reasons with which a log ends those that are one sentence, without another
# within them that stays English.
REASONS = (
    "step-failed",
    "step-killed",
    "step-could-not-start",
    "step-not-started",
    "step-timed-out",
    "timed-out",
    "cancelled",
    "cancelled-before-start",
    "runner-shut-down",
)


def own_lines() -> list[tuple[str, str]]:
    """Return each line that a runner writes, as it is stored and as it reads in the
    page's language, where that is another. What differs from line to line stands in
    braces."""
    stored = [*OWN_LINES.values(), *(t for name in REASONS for t in SENTENCES[name])]
    lines = [(_braced(text), _braced(_(text))) for text in stored]
    return [(text, local) for text, local in lines if text != local]


def _braced(text: str) -> str:
    return re.sub(r"%\((\w+)\)s", r"{\1}", text)
