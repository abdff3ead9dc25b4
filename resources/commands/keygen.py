"""``python -m resources keygen``: a pair of keys for signatures."""

from __future__ import annotations

import argparse
from pathlib import Path

from resources.report import Report
from resources.signing.keys import make_key


def keygen(options: argparse.Namespace, report: Report) -> int:
    """Write a private and a public key, and say the public one."""
    path = Path(options.file)
    key = make_key(path)
    report.line(f"Wrote the private key {path}: it signs, so nobody else may read it.")
    report.line(f"Wrote the public key {path}.pub: for all who verify.")
    report.line(f"Public key: {key.raw.hex()}")
    report.line(f"Its id in signatures: {key.key_id}")
    report.tell("key", {"publicKey": key.raw.hex(), "key": key.key_id})
    return 0
