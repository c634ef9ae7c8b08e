"""Text for messages: plurals, durations, printable file names, and suggestions for mistyped names."""

import difflib
import re
from collections.abc import Iterable

from dfs_store.errors import SettingsError

__all__ = [
    "COMMANDS",
    "counted",
    "did_you_mean",
    "duration_text",
    "first_line",
    "known_name",
    "nearest_name",
    "printable",
    "some",
    "valid_unicode",
    "without_secrets",
]


def counted(number: int, thing: str) -> str:
    """Returns a count with its noun in the singular or plural: "1 clip", "1,024 clips", "2 classes"."""
    if number == 1:
        return f"1 {thing}"
    if thing.endswith("y"):
        return f"{number:,} {thing[:-1]}ies"
    return f"{number:,} {thing}{'es' if thing.endswith('s') else 's'}"


def duration_text(seconds: float) -> str:
    """Returns a duration as text: 1:02:03, 4:05 or 12 s."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, or the name of its class if the message is empty."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name closest to a mistyped one, ignoring case, or None if no name is close."""
    folded = {other.casefold(): other for other in known}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns a suggestion to append to a message about an unknown name, or "" if no known name is close."""
    meant = nearest_name(name, known)
    return f". Did you mean {meant!r}?" if meant is not None else ""


def known_name(name: str, known: Iterable[str], what: str) -> str:
    """Checks that a name is known and returns it.

    Args:
        name: the name as typed.
        known: the known names.
        what: what the name refers to, used in the message: "class" or "--kind".

    Raises:
        SettingsError: the name is unknown; the message lists known names and suggests the closest one.
    """
    names = list(known)
    if name in names:
        return name
    raise SettingsError(f"{what} must be one of {some(names, 20)}, got {name!r}{did_you_mean(name, names)}")


def some(names: Iterable[str], most: int = 12) -> str:
    """Lists up to `most` names for a message, and counts the others: "run, sit and 8 more"."""
    listed = list(names)
    rest = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + rest


# Control characters other than tab and line feed, and characters that change the direction of text.
COMMANDS = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (*range(9), *range(11, 32), *range(127, 160), 0x061C, 0x200E, 0x200F, 0x2028, 0x2029,
                 *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}  # fmt: skip


def printable(text: str) -> str:
    """Returns the text in a form that is safe to print in a terminal.

    Control characters other than tab and line feed, characters that change the direction of text, and bytes
    of file names that are not UTF-8 are escaped as hexadecimal numbers.
    """
    return valid_unicode(text).translate(COMMANDS)


def valid_unicode(text: str) -> str:
    """Returns the text with lone surrogates, and bytes of file names that are not UTF-8, escaped."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()


_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s'\"<>?#]+(?:[?#]\S*)?")


def without_secrets(text: str) -> str:
    """Removes user names, passwords and queries from the URLs in a text, including chained URLs (a::b)."""
    return _IN_TEXT.sub(lambda found: "::".join(map(_bare_url, found[0].split("::"))), text)


def _bare_url(url: str) -> str:
    scheme, colon, rest = url.partition("://")
    place = rest.partition("?")[0].partition("#")[0]
    host, slash, path = place.partition("/")
    # The host follows the last @, since a password may contain one.
    return f"{scheme}{colon}{host.rpartition('@')[2]}{slash}{path}"
