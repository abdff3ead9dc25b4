"""The letters that people type for Chinese: of each character the first of its pinyin.

GB 2312 orders its first 3,755 characters, the common ones, by pinyin, so that the first
character of each letter is all that has to be known. The rest it orders by radicals: https://en.wikipedia.org/wiki/GB_2312
"""

from bisect import bisect_right

LETTERS = "abcdefghjklmnopqrstwxyz"
_FIRST = [c.encode("gb2312") for c in "啊芭擦搭蛾发噶哈击喀垃妈拿哦啪期然撒塌挖昔压匝"]
_LAST = "座".encode("gb2312")
# Second readings that titles have, as 校验 and 重新; and two of the rarer characters,
# which 渲染 and 骨骼 need.
_MORE = {
    "校": "j", "重": "c", "长": "z", "行": "h", "调": "t", "传": "z", "降": "x",
    "率": "s", "渲": "x", "骼": "g",
}  # fmt: skip


def initials(text: str) -> list[str]:
    """Return the letters of each character, most often one; "" where it has none.

    An empty list where no character has any.
    """
    letters = [_initials_of(character) for character in text]
    return letters if any(letters) else []


def _initials_of(character: str) -> str:
    letters = _usual(character) + _MORE.get(character, "")
    return "".join(dict.fromkeys(letters))


def _usual(character: str) -> str:
    try:
        code = character.encode("gb2312")
    except UnicodeEncodeError:
        return ""
    is_ordered = _FIRST[0] <= code <= _LAST
    return LETTERS[bisect_right(_FIRST, code) - 1] if is_ordered else ""
