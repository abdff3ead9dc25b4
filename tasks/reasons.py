"""The reason why a task failed or was cancelled, or why a value is refused: a code and
its parameters, of which a sentence is made in any language.

Stored as code and parameters, so that a page in Chinese, a chat message and a program
need not read our English. Plain Python, without Django: the shim, which starts
programs, has reasons to give too.
"""

from collections.abc import Callable, Mapping
from typing import Any, Union


def gettext_noop(text: str) -> str:
    """Mark a text for ``makemessages``, and return it."""
    return text


# Of several, the first whose parameters are all there.
SENTENCES: dict[str, tuple[str, ...]] = {
    # How a step ended
    "step-failed": (
        gettext_noop("Step “%(step)s” failed with exit code %(exitCode)s: %(reason)s"),
        gettext_noop("Step “%(step)s” failed with exit code %(exitCode)s."),
    ),
    "step-killed": (
        gettext_noop("Step “%(step)s” was killed by %(signal)s: %(reason)s"),
        gettext_noop("Step “%(step)s” was killed by %(signal)s."),
    ),
    "step-could-not-start": (
        gettext_noop("Step “%(step)s” could not start: %(reason)s"),
    ),
    "step-not-started": (gettext_noop("Step “%(step)s” was not started: %(reason)s"),),
    "step-timed-out": (gettext_noop("Step “%(step)s” timed out after %(seconds)s s."),),
    # How a task ended
    "timed-out": (gettext_noop("Timed out after %(seconds)s s."),),
    "cancelled": (
        gettext_noop("Cancelled by %(by)s; %(loss)s"),
        gettext_noop("Cancelled by %(by)s."),
    ),
    "cancelled-before-start": (gettext_noop("Cancelled by %(by)s before it started."),),
    "superseded": (gettext_noop("A newer one took its place: %(task)s (%(id)s)."),),
    "rejected": (
        gettext_noop("Rejected by %(by)s: %(comment)s"),
        gettext_noop("Rejected by %(by)s."),
    ),
    "approval-timed-out": (
        gettext_noop("Nobody in %(groups)s decided on step “%(step)s” in time."),
    ),
    "runner-shut-down": (gettext_noop("Cancelled because the runner shut down."),),
    "runner-lost": (
        gettext_noop("The runner %(runner)s stopped at about %(at)s; %(keptLines)s"),
        gettext_noop("The runner is gone; %(keptLines)s"),
    ),
    "log-limit-reached": (
        gettext_noop("The log reached its limit of %(lines)s."),
        gettext_noop("The log reached its limit of %(bytes)s."),
    ),
    "lines-lost": (
        gettext_noop("%(lines)s after line %(seq)s could not be stored: %(cause)s."),
    ),
    "output-not-stored": (
        gettext_noop(
            "Stopped, because its output could not be stored for %(seconds)s s: "
            "%(cause)s."
        ),
    ),
    "too-many-secrets": (
        gettext_noop("::add-mask:: named more than %(count)s lines of secrets."),
    ),
    # Why a task can't run as it was accepted
    "unknown-task-type": (
        gettext_noop("There is no task type “%(name)s”; there are: %(names)s."),
        gettext_noop("The task type “%(name)s” is not known here."),
    ),
    "parameter-without-value": (
        gettext_noop("The parameter %(parameter)s has no value."),
    ),
    "parameter-refused": (
        gettext_noop(
            "The parameter %(parameter)s is not accepted any more: %(reason)s"
        ),
    ),
    "secrets-unreadable": (
        gettext_noop(
            "Its secret parameters can't be read: SECRET_KEY has changed since it was "
            "accepted."
        ),
    ),
    "definition-not-understood": (
        gettext_noop(
            "It was accepted by another version of the service, which this runner does "
            "not understand; update the runner."
        ),
    ),
    # Why a schedule did not start what was due
    "schedule-overlap": (gettext_noop("The run before, task %(task)s, was not over."),),
    "schedule-one-queued": (
        gettext_noop("The run before, task %(task)s, was still in the queue."),
    ),
    "schedule-frozen": (
        gettext_noop("Its type was frozen until %(until)s: %(reason)s"),
    ),
    "schedule-missed": (gettext_noop("No runner was there to start it in time."),),
    "schedule-not-understood": (
        gettext_noop("This runner does not understand its cron text or time zone."),
    ),
    # What became of a message to a webhook
    "webhook-url-not-understood": (
        gettext_noop("Must be a URL that begins with https:// or http://."),
    ),
    "webhook-url-with-name": (
        gettext_noop("Must hold no name and password before the host."),
    ),
    "webhook-address-refused": (
        gettext_noop(
            "%(host)s is %(address)s, a private or reserved address, and "
            "WEBHOOK_ALLOW does not name it."
        ),
    ),
    "webhook-not-resolved": (
        gettext_noop("%(host)s could not be resolved: %(cause)s."),
    ),
    "webhook-not-connected": (gettext_noop("No connection to %(host)s: %(cause)s."),),
    "webhook-tls": (gettext_noop("No TLS connection to %(host)s: %(cause)s."),),
    "webhook-timed-out": (gettext_noop("No whole answer in %(seconds)s s."),),
    "webhook-cut": (gettext_noop("%(host)s closed the connection without an answer."),),
    "webhook-answer-not-http": (gettext_noop("%(host)s does not answer in HTTP."),),
    "webhook-answer-cut": (
        gettext_noop("The connection was closed before the answer was whole."),
    ),
    "webhook-answer-too-long": (
        gettext_noop("Of the answer only the first %(bytes)s were read."),
    ),
    "webhook-status": (gettext_noop("It was answered with status %(status)s."),),
    "webhook-redirected": (
        gettext_noop(
            "It was answered with status %(status)s, a redirect to %(location)s. "
            "Redirects are not followed: make the webhook anew with the new URL."
        ),
        gettext_noop(
            "It was answered with status %(status)s, a redirect, and these are not "
            "followed."
        ),
    ),
    "webhook-gone": (
        gettext_noop(
            "It was answered with status 410 (gone), so nothing is sent there any more."
        ),
    ),
    "webhook-chat-refused": (
        gettext_noop("%(chat)s refused the message: %(words)s (%(number)s)."),
    ),
    "webhook-chat-not-understood": (
        gettext_noop("The answer is none that %(chat)s gives."),
    ),
    "webhook-not-sent": (gettext_noop("It could not be sent: %(cause)s."),),
    "webhook-disabled": (gettext_noop("Disabled by %(by)s."),),
    "webhook-sealed": (
        gettext_noop(
            "Its URL can't be read: SECRET_KEY has changed since the webhook was made."
        ),
    ),
    # What is wrong with a parameter's value
    "not-a-string": (gettext_noop("Must be a string."),),
    "too-long": (gettext_noop("Too long: at most %(limit)s characters."),),
    "not-a-choice": (gettext_noop("Must be one of: %(choices)s."),),
    "not-plain-text": (
        gettext_noop("Must be one line of text that does not start with “-”."),
    ),
    "pattern-mismatch": (gettext_noop("Must match the pattern %(pattern)s."),),
    "pattern-too-slow": (
        gettext_noop(
            "It could not be compared with the pattern %(pattern)s in %(seconds)s s; "
            "give a simpler value."
        ),
    ),
    # Why a program could not be started
    "folder-not-found": (gettext_noop("The folder %(path)s was not found."),),
    "not-a-folder": (gettext_noop("%(path)s is not a folder."),),
    "folder-not-entered": (
        gettext_noop("The folder %(path)s can't be entered: %(cause)s."),
    ),
    "program-not-found": (gettext_noop("%(path)s was not found."),),
    "link-leads-nowhere": (
        gettext_noop("%(path)s leads to %(target)s, which was not found."),
    ),
    "interpreter-not-in-path": (
        gettext_noop("%(path)s asks for %(program)s, which was not found in PATH."),
    ),
    "interpreter-not-found": (
        gettext_noop("%(path)s asks for %(program)s, which was not found."),
    ),
    "interpreter-broken": (gettext_noop("%(path)s asks for %(program)s: %(reason)s"),),
    "too-many-interpreters": (
        gettext_noop("%(path)s asks for too many interpreters in each other."),
    ),
    "not-executable": (
        gettext_noop("%(path)s is not executable by %(user)s."),
        gettext_noop("%(path)s is not executable."),
    ),
    "is-a-folder": (gettext_noop("%(path)s is a folder."),),
    "empty-file": (gettext_noop("%(path)s is empty."),),
    "disk-without-programs": (
        gettext_noop(
            "%(path)s lies on a disk from which nothing may be executed (noexec)."
        ),
    ),
    "byte-order-mark": (
        gettext_noop("%(path)s begins with a byte order mark (BOM): save it without."),
    ),
    "utf-16": (gettext_noop("%(path)s is UTF-16: save it as UTF-8."),),
    "windows-line-ends": (
        gettext_noop(
            "%(path)s has Windows line ends (CR LF), so the system looks for "
            "%(program)s with a carriage return behind it: save it with LF."
        ),
    ),
    "no-first-line": (
        gettext_noop(
            "%(path)s could not be started: Exec format error; it has no first line "
            "that names its interpreter, such as #!/bin/sh."
        ),
    ),
    "no-interpreter": (
        gettext_noop("%(path)s has a first line that names no interpreter."),
    ),
    "first-line-too-long": (
        gettext_noop("%(path)s has a first line of more than %(limit)s bytes."),
    ),
    "broken-header": (gettext_noop("%(path)s is broken: it ends within its header."),),
    "other-machine": (
        gettext_noop(
            "%(path)s is a program for %(madeFor)s; this machine is %(here)s."
        ),
        gettext_noop("%(path)s is a program for %(madeFor)s."),
    ),
    "program-not-started": (gettext_noop("%(path)s could not be started: %(cause)s."),),
    "shim-killed": (gettext_noop("The process that was to start it was killed."),),
    "no-such-account": (gettext_noop("There is no account %(user)s on this host."),),
    "not-root": (
        gettext_noop("Only a runner that root started can run it as %(user)s."),
    ),
    "out-of-memory": (
        gettext_noop(
            "Probably out of memory; the kernel killed a process for that meanwhile."
        ),
    ),
    # Limits of the system: each is the cause in a sentence above
    "process-limit": (
        gettext_noop("no more processes can be started (ulimit -u, pids.max)"),
    ),
    "memory-limit": (gettext_noop("there is not enough memory"),),
    "terminal-limit": (
        gettext_noop("no more terminals can be opened (kernel.pty.max)"),
    ),
    "open-files-limit": (gettext_noop("no more files can be opened (ulimit -n)"),),
    "system-open-files-limit": (
        gettext_noop("the whole system can't open more files (fs.file-max)"),
    ),
}
GROUPED = {"count", "seq"}  # numbers written as 1,234

Parameter = Union[str, int, float, "Reason"]


Gettext = Callable[[str], str]
Ngettext = Callable[[str, str, int], str]


def _plural(one: str, several: str, n: int) -> str:
    return one if n == 1 else several


def _number(name: str, n: int, gettext: Gettext, ngettext: Ngettext) -> str:
    match name:
        case "lines":
            text = ngettext("%(n)s line", "%(n)s lines", n)
        case "bytes":
            text = ngettext("%(n)s byte", "%(n)s bytes", n)
        case "keptLines" if not n:
            text = gettext("no line was kept.")
        case "keptLines":
            text = ngettext("%(n)s line was kept.", "%(n)s lines were kept.", n)
        case _:
            return f"{n:,}" if name in GROUPED else str(n)
    return text % {"n": f"{n:,}"}


class Reason:
    """``code`` is a key of ``SENTENCES``; ``params`` are what its sentence names:
    texts, numbers, and reasons that are a part of it."""

    __slots__ = ("code", "params")

    def __init__(self, code: str, **params: Parameter) -> None:
        self.code, self.params = code, params

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Reason":
        """Return the reason that ``as_json()`` made this of."""
        params = {
            name: cls.of(value) if isinstance(value, dict) else value
            for name, value in stored["params"].items()
        }
        return cls(stored["code"], **params)

    def as_json(self) -> dict[str, Any]:
        """Return ``{"code", "params"}``; a reason within is an object like this."""
        params = {
            name: value.as_json() if isinstance(value, Reason) else value
            for name, value in self.params.items()
        }
        return {"code": self.code, "params": params}

    def with_texts(self, change: Callable[[str], str]) -> "Reason":
        """Return the reason with each text in it changed, as masks do."""

        def changed(value: Parameter) -> Parameter:
            if isinstance(value, Reason):
                return value.with_texts(change)
            return change(value) if isinstance(value, str) else value

        changes = {name: changed(value) for name, value in self.params.items()}
        return Reason(self.code, **changes)

    def sentence(
        self,
        gettext: Gettext = str,
        ngettext: Ngettext = _plural,
        local: Gettext = str,
    ) -> str:
        """Return it as a sentence: in English, or in the language of these two, with
        the names of steps as ``local`` has them.

        Raises KeyError of a code that only another version knows.
        """

        def text(name: str, value: Parameter) -> str:
            if isinstance(value, Reason):
                return value.sentence(gettext, ngettext, local)
            if isinstance(value, int):
                return _number(name, value, gettext, ngettext)
            if isinstance(value, float):
                return f"{value:g}"
            return local(value) if name == "step" else value

        texts = {name: text(name, value) for name, value in self.params.items()}
        for template in SENTENCES[self.code]:
            try:
                return gettext(template) % texts
            except KeyError:
                continue
        raise KeyError(f"{self.code} with {', '.join(texts) or 'nothing'}")

    def __str__(self) -> str:
        return self.sentence()
