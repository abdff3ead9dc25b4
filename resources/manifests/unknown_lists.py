"""Lists of files that the engine doesn't read, named as what they are.

Who has one of these and is told that there is no list looks for the wrong fault.
"""

from __future__ import annotations

import re

_HEX = rb"[0-9A-Fa-f]"
_PATH = rb"[^\r\n]+"

# SHA-2's other lengths and CRC-32, by the number of digits.
_OTHER_LENGTHS = {
    8: "CRC-32 checksums",
    56: "sha224sum",
    96: "sha384sum",
    128: "sha512sum or b2sum",
}
_GNU = re.compile(rb"\\?(%b+) [ *]%b" % (_HEX, _PATH))
_ONE_SPACE = re.compile(rb"(%b{32,128})[ \t](?! |\*)%b" % (_HEX, _PATH))
_SFV = re.compile(rb"[^;\r\n]%b [0-9A-Fa-f]{8}" % rb"[^\r\n]*")
_OPENSSL = re.compile(rb"([A-Z0-9/-]+)\(%b\)= ?%b+" % (_PATH, _HEX))
_BSD = re.compile(rb"([A-Z0-9/-]+) \(%b\) = %b+" % (_PATH, _HEX))
_POWERSHELL = re.compile(rb"Algorithm\s+Hash\s+Path\s*")

_UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def unknown_list(beginning: bytes) -> str | None:
    """Return what list a file is that begins so, and what to do, None for no list.

    >>> unknown_list(b"0" * 128 + b"  a.png")
    "a list of sha512sum or b2sum, which isn't read; make one with sha256sum"
    """
    encoding = _UTF_16.get(beginning[:2])
    if encoding:
        text = beginning[2 : len(beginning) // 2 * 2].decode(encoding, "replace")
        if _is_list(text.encode("utf-8", "replace")):
            return (
                "a list in UTF-16, as PowerShell's > writes it; write it as UTF-8"
                " without a byte order mark, or make it in another shell"
            )
        return None
    line = _first_line(beginning)
    if kind := _kind(line):
        return f"{kind}, which isn't read; make one with sha256sum"
    return None


def _first_line(text: bytes) -> bytes:
    for line in text.removeprefix(b"\xef\xbb\xbf").splitlines():
        if line.strip() and not line.startswith((b"#", b";")):
            return line
    return b""


def _is_list(text: bytes) -> bool:
    line = _first_line(text)
    return bool(_GNU.fullmatch(line) or _BSD.fullmatch(line) or _kind(line))


def _kind(line: bytes) -> str | None:
    if _POWERSHELL.fullmatch(line):
        return "a table of PowerShell's Get-FileHash"
    if found := _GNU.fullmatch(line):
        name = _OTHER_LENGTHS.get(len(found[1]))
        return f"a list of {name}" if name else None
    if found := _OPENSSL.fullmatch(line):
        return f"a list of openssl ({found[1].decode()})"
    if found := _BSD.fullmatch(line):
        return f"a list of {found[1].decode()} digests"
    if _ONE_SPACE.fullmatch(line):
        return "a list with one space between digest and path, where md5sum has two"
    if _SFV.fullmatch(line):
        return "a list of CRC-32 checksums (SFV)"
    return None
