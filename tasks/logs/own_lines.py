"""The lines that a runner itself writes into a log: English, as they are stored for
programs and people alike. Pages know them again by these texts, and show them in their
reader's language (``tasks/presenters/own_lines.py``, ``static/js/log/own_lines.js``).
"""

from tasks.reasons import gettext_noop

OWN_LINES: dict[str, str] = {
    "step-begins": gettext_noop("Executing: {command}"),
    "approval-asked": gettext_noop("Awaiting approval by {groups}."),
    "approved": gettext_noop("Approved by {by}."),
    "step-completed": gettext_noop("Completed 1 step in {seconds} s."),
    "steps-completed": gettext_noop("Completed {count} steps in {seconds} s."),
    "another-attempt": gettext_noop(
        "{problem} Attempt {attempt} of {attempts} in {seconds} s."
    ),
    "may-fail": gettext_noop("{problem} Going on, as the step allows it."),
    "silent": gettext_noop("Step “{step}” has printed nothing for {seconds} s."),
    "process-left-behind": gettext_noop(
        "Step “{step}” left 1 process behind; it was killed."
    ),
    "processes-left-behind": gettext_noop(
        "Step “{step}” left {count} processes behind; they were killed."
    ),
    "processes-not-killed": gettext_noop(
        "Processes that can't be killed are left: {pids}."
    ),
    "output-refused": gettext_noop("{count} more output was refused."),
    "outputs-refused": gettext_noop("{count} more outputs were refused."),
    "line-not-kept": gettext_noop("{count} more line was not kept."),
    "lines-not-kept": gettext_noop("{count} more lines were not kept."),
}


def own_line(name: str, **values: object) -> str:
    """Return one of them as it is stored."""
    return OWN_LINES[name].format(**values)
