"""Recognises the names of splits (train, val, test) in folder names and tables."""

import re
from typing import NamedTuple

__all__ = ["SplitName", "is_container", "split_name"]

_PARTS = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), "train"),
    **dict.fromkeys(
        ["val", "valid", "validate", "validation", "validating", "eval", "evaluation", "dev", "devel"], "val"
    ),
    **dict.fromkeys(["test", "testing", "tests", "tst", "holdout"], "test"),
}
_CONTAINERS_TEXT = """
batch chunk clip clips data dataset datasets fold folds frame frames image images img imgs jpeg jpegs jpg
part partition parts picture pictures png pngs raw rawframes rgb set sets shard split splits subset video
videos
"""
_CONTAINERS = frozenset(_CONTAINERS_TEXT.split())
_DECORATION_TEXT = """
all class classes extracted final folder fps full hd list mini new p processed resized sample samples small
sub tiny x
"""
_DECORATION = _CONTAINERS.union(_DECORATION_TEXT.split())
_STUCK = re.compile(
    rf"({'|'.join(sorted(_PARTS, key=len, reverse=True))})(set|sets|data|split|videos|clips|frames)"
)


class SplitName(NamedTuple):
    """The split that a folder name or a value in a table refers to.

    Attributes:
        part: "train", "val" or "test".
        rest: the other words and numbers of the name, without generic ones (set, data).
        is_plain: whether none of the other words can be part of a class name.
        is_bare: whether there are no other words or numbers.
    """

    part: str
    rest: tuple[str, ...]
    is_plain: bool
    is_bare: bool


def split_name(name: str) -> SplitName | None:
    """Parses names such as Train, training_set, videos_train or UCF101-val. Returns None for other names."""
    words = _words(name)
    parts = {_PARTS[word] for word in words if word in _PARTS}
    if parts == {"train", "val"}:  # train_val
        parts = {"train"}
    if len(parts) != 1:
        return None
    rest = tuple(word for word in words if word not in _PARTS)
    plain = all(word in _DECORATION or word.isdecimal() for word in rest)
    kept = tuple(word for word in rest if word not in ("set", "sets", "data", "split"))
    return SplitName(parts.pop(), kept, plain, not kept)


def is_container(name: str) -> bool:
    """Whether a folder has a generic name, such as `videos`, `jpegs_112` or `fold1`."""
    words = _words(name)
    return any(word in _CONTAINERS for word in words) and all(
        word in _DECORATION or word.isdecimal() for word in words
    )


def _words(name: str) -> list[str]:
    """Splits a name into lower-case words at punctuation, at inner capitals, and next to digits."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", name)
    words = re.findall(r"[^\W_]+", spaced.casefold())
    found = list[str]()
    for word in words:
        stuck = _STUCK.fullmatch(word)
        found += stuck.groups() if stuck else [word]
    return found
