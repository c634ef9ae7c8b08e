"""Phrases that no new text may contain: those that read as if translated. Old ones may only become fewer."""

import re

import pytest

from tests.docs.pages import ROOT

# A phrase, as a regular expression, and how often it still occurs: lower a number when you rewrite a text.
PHRASES = {
    r"at the (most|least)": 0,  # at most
    r"no concern of": 0,  # is not used by
    r"problems found": 0,  # dfs_store.names.counted
    r"(stands|stood|lies|lay) at": 0,  # there is ... at, ... already exists
    r"a store stands": 0,
    r"lets? go of": 0,  # closes, releases
    r"is at it": 0,  # is preparing these clips
    r"as far as (it|they) goe?s?": 0,  # until the first frame that cannot be decoded
    r"for ever": 0,  # forever
    r"what is None": 0,  # settings that are None
    r"comes? from the preset": 0,
    r"where there is none": 0,  # if there is none
    r"where it is (not|absent)": 0,  # if it is not installed
    r"who gets": 0,
    r"(holds|hangs) together": 0,  # depends on
    r"(is|are) told": 0,
    r"tells? of": 0,  # reports
    r"speaks?": 0,
    r"of an? URL here": 0,
    r"in the making": 0,
    r"for want of": 0,
    r"before its time": 0,  # early
    r"hands? over": 0,  # returns
    r"not said": 0,  # unknown
    r"None ever": 0,
    r"lies?": 1,  # is in, there is
    r"stands": 0,
    r"when (absent|None)": 0,  # if None
    r"cut short": 0,  # truncated
    r"(?<!there )(is|are) no (?!longer)\w+": 1,  # is not a
    r"outside its rule": 0,  # is not allowed
    r"(store|file|folder) that is there": 0,  # an existing store
    r"what is there": 1,
    r"as far as": 0,  # up to
    r"beyond doubt": 0,  # certain, unambiguous
    r"stayed? behind": 0,  # was not copied
    r"afresh|anew": 3,  # again
    r"the most that": 1,  # the limit
    r"whoever|nobody|somebody": 1,  # the process that
    r"so (many|few)": 7,  # this number of
}


def joined(text):
    """The lines as one: a phrase may begin in one string of an error and end in the next."""
    return re.sub(r" +", " ", re.sub(r'(?:"\s*\n\s*f?"|\n\s*#?\s*)', " ", text))


def texts():
    """What users and developers read, by file."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    sources = [path for name in ("dfs_store", "cli", "benchmarks") for path in ROOT.glob(f"{name}/**/*.py")]
    paths = sorted({*pages, *sources} - {ROOT / "CHANGELOG.md"})
    return {path.relative_to(ROOT): joined(path.read_text(encoding="utf-8")) for path in paths}


TEXTS = texts()


def places(phrase, text):
    pattern = re.compile(rf"(?<!\w)(?:{phrase})(?!\w)", re.IGNORECASE)
    return [text[max(0, found.start() - 30) : found.end() + 30] for found in pattern.finditer(text)]


@pytest.mark.parametrize(("phrase", "most"), PHRASES.items())
def test_no_new_text_has_a_phrase_that_reads_as_if_translated(phrase, most):
    found = [f"{path}: {place}" for path, text in TEXTS.items() for place in places(phrase, text)]
    assert len(found) <= most, "rewrite what you added (../shared/style.md):\n" + "\n".join(found)


def test_a_phrase_is_found_across_strings_and_comments_but_not_inside_words():
    error = 'raise E(f"a store stands "\n    f"at {path}")  # and\n    # lies\n    # at the end'
    assert len(places("(stands|lies) at", joined(error))) == 2
    assert not places("lies", "families, applies")
