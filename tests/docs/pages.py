"""The operator's pages and how they are taken apart."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs/how-to"
OF_OPERATORS = (
    *("production", "backup", "troubleshooting", "people", "runner", "sizing"),
    *("behind-a-cdn", "from-pm2", "api-keys", "freeze", "approvals", "schedules"),
    *("webhooks", "several-hosts", "history", "containers", "upgrade", "monitor"),
)


def english(name: str) -> Path:
    return HOW_TO / f"{name}.md"


def chinese(name: str) -> Path:
    return HOW_TO / f"{name}.zh-CN.md"


def code_blocks(text: str) -> list[str]:
    return re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """Return the code without its comments, which are in the page's language."""
    comment = re.compile(r"(?:^|(?<= ))(?:#|//) .*$", re.MULTILINE)
    return [comment.sub("", block) for block in code_blocks(text)]


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def tables(text: str) -> list[list[list[str]]]:
    """Return each table as rows of cells; ``\\|`` within a cell is no border."""
    found: list[list[list[str]]] = []
    is_within = False
    for line in prose(text).splitlines():
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            if not is_within:
                found.append([])
            found[-1].append([cell.strip() for cell in cells])
        is_within = line.startswith("|")
    return found
