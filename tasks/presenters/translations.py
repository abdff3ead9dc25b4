"""Stored sentences in the reader's language.

Why a task ended is stored once, in English, for programs and logs (by tasks.runner,
tasks.lifecycle and tasks.reaper). Each template here is such a sentence; what fits
none of them is shown as it is.
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
    gettext_noop("Step “%(step)s” was not started: %(reason)s"),
    gettext_noop("Step “%(step)s” timed out after %(seconds)s s."),
    gettext_noop("Timed out after %(seconds)s s."),
    gettext_noop("The folder %(path)s was not found."),
    gettext_noop("%(path)s asks for %(program)s, which was not found in PATH."),
    gettext_noop("%(path)s asks for %(program)s, which was not found."),
    gettext_noop("%(path)s asks for %(program)s: %(reason)s"),
    gettext_noop("%(path)s leads to %(target)s, which was not found."),
    gettext_noop("%(path)s was not found."),
    gettext_noop("%(path)s is not a folder."),
    gettext_noop("%(path)s is not executable."),
    gettext_noop("%(path)s is not executable by %(user)s."),
    gettext_noop("%(path)s is a folder."),
    gettext_noop("%(path)s is empty."),
    gettext_noop(
        "%(path)s lies on a disk from which nothing may be executed (noexec)."
    ),
    gettext_noop("%(path)s begins with a byte order mark (BOM): save it without."),
    gettext_noop("%(path)s is UTF-16: save it as UTF-8."),
    gettext_noop(
        "%(path)s has Windows line ends (CR LF), so the system looks for %(program)s "
        "with a carriage return behind it: save it with LF."
    ),
    gettext_noop("%(path)s has a first line of more than %(count)s bytes."),
    gettext_noop("%(path)s has a first line that names no interpreter."),
    gettext_noop("%(path)s is broken: it ends within its header."),
    gettext_noop("%(path)s is a program for %(made_for)s; this machine is %(here)s."),
    gettext_noop("%(path)s is a program for %(made_for)s."),
    gettext_noop("%(path)s could not be started: %(cause)s."),
    gettext_noop(
        "Exec format error; it has no first line that names its interpreter, such as "
        "#!/bin/sh"
    ),
    gettext_noop("no more processes can be started (ulimit -u, pids.max)"),
    gettext_noop("no more terminals can be opened (kernel.pty.max)"),
    gettext_noop("The process that was to start it was killed."),
    gettext_noop(
        "Probably out of memory; the kernel killed a process for that meanwhile."
    ),
    gettext_noop("there is not enough memory"),
    gettext_noop("no more files can be opened (ulimit -n)"),
    gettext_noop("the whole system can't open more files (fs.file-max)"),
    gettext_noop("There is no account %(user)s on this host."),
    gettext_noop("Only a runner that root started can run it as %(user)s."),
    gettext_noop("Cancelled by %(who)s before it started."),
    gettext_noop("Cancelled by %(who)s; %(loss)s"),
    gettext_noop("Cancelled by %(who)s."),
    gettext_noop("Cancelled because the runner shut down."),
    gettext_noop("Interrupted by shutdown of the runner."),  # said before that
    gettext_noop("Interrupted: the runner was shut down."),  # of release 1.0
    gettext_noop("%(loss)s The task goes back to the queue."),
    gettext_noop("The runner %(runner)s stopped at about %(time)s; %(kept)s"),
    gettext_noop("The runner is gone; %(kept)s"),
    gettext_noop("Step “%(step)s” has printed nothing for %(seconds)s s."),
    gettext_noop("Step “%(step)s” left %(processes)s behind; they were killed."),
    gettext_noop("Step “%(step)s” left 1 process behind; it was killed."),
    gettext_noop("The log reached its limit of %(lines)s."),
    gettext_noop("The log reached its limit of %(bytes)s."),
    gettext_noop("%(lines)s after line %(seq)s could not be stored: %(cause)s."),
    gettext_noop(
        "Stopped, because its output could not be stored for %(seconds)s s: %(cause)s."
    ),
    gettext_noop("There is no task type %(name)s; there are: %(names)s."),
    gettext_noop("The task type %(name)s is not known here."),
    gettext_noop("The parameter %(parameter)s has no value."),
    gettext_noop("::add-mask:: named more than %(count)s lines of secrets."),
    gettext_noop("The parameter %(parameter)s is not accepted any more: %(reason)s"),
    gettext_noop("Too long: at most %(limit)s characters."),
    gettext_noop("Must be one of: %(choices)s."),
    gettext_noop("Must be one line of text that does not start with “-”."),
    gettext_noop("Must match the pattern %(pattern)s."),
    # As these began before.
    gettext_noop("It is too long: at most %(limit)s characters."),
    gettext_noop("It must be one of: %(choices)s."),
    gettext_noop("It must be one line of text that does not start with “-”."),
    gettext_noop("It must match the pattern %(pattern)s."),
    gettext_noop(
        "Its secret parameters can't be read: SECRET_KEY has changed since it was "
        "accepted."
    ),
    gettext_noop(
        "It was accepted by another version of the service, which this runner does not "
        "understand; update the runner."
    ),
)
# What stands for a name in a sentence, where it is not just any text.
SHAPES = {
    "code": r"\d+",
    "count": r"\d+",
    "signal": r"SIG\w+|signal \d+",
    "seconds": r"[\d.e+-]+",
    "path": r"\S+",
    "loss": r"The runner .+\.",
    "lines": r"[\d,]+ lines?",
    "bytes": r"[\d,]+ bytes?",
    "processes": r"\d+ processes",
    # "1 line were kept.": of release 1.0
    "kept": r"(?:[\d,]+ lines?|no line) (?:was|were) kept\.",
    "seq": r"[\d,]+",
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
    number, n = _number(count)
    return ngettext("%(n)s line", "%(n)s lines", n) % {"n": number}


def _said_bytes(count: str) -> str:
    number, n = _number(count)
    return ngettext("%(n)s byte", "%(n)s bytes", n) % {"n": number}


def _said_processes(count: str) -> str:
    number, n = _number(count)
    return ngettext("%(n)s process", "%(n)s processes", n) % {"n": number}


def _said_kept(words: str) -> str:
    if words.startswith("no "):
        return gettext("no line was kept.")
    number, n = _number(words)
    sentence = ngettext("%(n)s line was kept.", "%(n)s lines were kept.", n)
    return sentence % {"n": number}


def _number(count: str) -> tuple[str, int]:
    """As it stands at the beginning of a text, and as a number."""
    number = count.split()[0]
    return number, int(number.replace(",", ""))


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"%\((\w+)\)s", template)
    for place, text in enumerate(parts):
        is_name = place % 2
        shape = SHAPES.get(text, ".+?")
        parts[place] = f"(?P<{text}>{shape})" if is_name else re.escape(text)
    return re.compile("".join(parts), re.DOTALL)


_PATTERNS = [(template, _pattern(template)) for template in SENTENCES]
# Parts that are sentences themselves, or carry a number.
_SAY_PART = {
    "step": gettext,
    "reason": said,
    "cause": said,
    "loss": said,
    "kept": _said_kept,
    "lines": _said_lines,
    "bytes": _said_bytes,
    "processes": _said_processes,
}
