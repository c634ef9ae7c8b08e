"""Finds the runnable parts of the documentation pages: fenced blocks, indented lines and inline code.

A fenced block of Python is run, and so is every line in a `bash` block, which must be a `dfs` command. A
comment on the line before the fence changes this:

    <!-- not run: needs UCF101 -->   it is looked at only (its flags must exist)
    <!-- file: networks.py -->       its text becomes that file
    <!-- output -->                  a block of `text`: every word of it is in what the last command printed
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if page.relative_to(ROOT).parts[1:2] != ("examples",)
)
_FENCE = re.compile(
    r"(?:^<!-- (?P<marker>not run|file|output)(?:: (?P<detail>[^\n]*?))? -->\n)?"
    r"^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        line: number of its first line.
        language: the text after the opening fence.
        text: content of the block.
        marker: "not run", "file", "output" or "".
        detail: the reason, or the name of the file.
    """

    line: int
    language: str
    text: str
    marker: str
    detail: str

    @property
    def lines(self) -> list[str]:
        """The commands of a shell block, without comments and with continued lines joined."""
        joined = self.text.replace("\\\n", " ")
        bare = [re.sub(r"\s+#.*", "", line).strip() for line in joined.splitlines()]
        return [line for line in bare if line and not line.startswith("#")]


def blocks(page: Path) -> list[Block]:
    """Returns the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            text.count("\n", 0, found.start()) + 1,
            found["language"],
            found["text"],
            found["marker"] or "",
            found["detail"] or "",
        )
        for found in _FENCE.finditer(text)
    ]


def commands_shown(page: Path) -> list[str]:
    """Returns the commands anywhere on a page: fenced, indented or inside a sentence."""
    text = page.read_text(encoding="utf-8")
    found = [line for block in blocks(page) if block.language == "bash" for line in block.lines]
    prose = _FENCE.sub("", text)
    indented = re.findall(r"^ {4,}(\S.*(?:\\\n.*)*)", prose, re.MULTILINE)
    inline = [" ".join(code.split()) for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)]
    for code in [*indented, *inline]:
        found += re.split(r"\s&&\s", re.sub(r"\s{2,}[#(].*", "", code.replace("\\\n", " ")))
    return found
