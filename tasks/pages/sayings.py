"""Stored sentences in the reader's language.

Why a task ended is stored once, in English, for programs and logs (tasks.execution,
tasks.lifecycle, tasks.runner, tasks.reaper, tasks.child). Each template here is such
a sentence; what fits none of them is shown as it is.
"""

import re

from django.utils.translation import gettext, gettext_noop, ngettext

# In order: the first that fits is taken.
SENTENCES = (
    gettext_noop("Step “%(step)s” failed with exit code %(code)s."),
    gettext_noop("Step “%(step)s” failed with exit code %(code)s: %(reason)s"),
    gettext_noop("Step “%(step)s” was killed by %(signal)s."),
    gettext_noop("Step “%(step)s” was killed by %(signal)s: %(reason)s"),
    gettext_noop("Step “%(step)s” could not start: %(reason)s"),
    gettext_noop("Step “%(step)s” timed out after %(seconds)s s."),
    gettext_noop("Timed out after %(seconds)s s."),
    gettext_noop("The folder %(path)s was not found."),
    gettext_noop("%(path)s was not found."),
    gettext_noop("%(path)s is not a folder."),
    gettext_noop("%(path)s is not executable."),
    gettext_noop("%(path)s could not be started: %(cause)s."),
    gettext_noop("Cancelled by %(who)s before it started."),
    gettext_noop("Cancelled by %(who)s; %(loss)s"),
    gettext_noop("Cancelled by %(who)s."),
    gettext_noop("Interrupted: the runner was shut down."),
    gettext_noop(
        "The runner %(runner)s stopped at about %(time)s; %(lines)s were kept."
    ),
    gettext_noop("The runner is gone; %(lines)s were kept."),
    gettext_noop("There is no task type %(name)s; there are: %(names)s."),
)
# What stands for a name in a sentence, where it is not just any text.
SHAPES = {
    "code": r"\d+",
    "signal": r"SIG\w+|signal \d+",
    "seconds": r"[\d.e+-]+",
    "path": r"\S+",
    "loss": r"The runner .+",
    "lines": r"[\d,]+ lines?",
}


def said(sentence: str) -> str:
    """A stored sentence as the reader's language has it; unknown ones unchanged."""
    for template, pattern in _PATTERNS:
        if found := pattern.fullmatch(sentence):
            parts = found.groupdict()
            for name in parts.keys() & _SAY_PART.keys():
                parts[name] = _SAY_PART[name](parts[name])
            return gettext(template) % parts
    return sentence


def _said_lines(count: str) -> str:
    number = count.split()[0]
    n = int(number.replace(",", ""))
    return ngettext("%(n)s line", "%(n)s lines", n) % {"n": number}


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"%\((\w+)\)s", template)
    for place, text in enumerate(parts):
        is_name = place % 2
        shape = SHAPES.get(text, ".+?")
        parts[place] = f"(?P<{text}>{shape})" if is_name else re.escape(text)
    return re.compile("".join(parts), re.DOTALL)


_PATTERNS = [(template, _pattern(template)) for template in SENTENCES]
# Parts that are sentences themselves, or carry a number.
_SAY_PART = {"reason": said, "loss": said, "lines": _said_lines}
