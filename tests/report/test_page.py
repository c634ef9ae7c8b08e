"""The report in a real browser: it plays, sorts, filters and prints, and loads no other files."""

import json
import os
import shutil

import numpy as np
import pytest
from dfs_store.cli import app
from typer.testing import CliRunner

from dfs_store import StoreWriter, open_store

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("no chromium on this machine (apt-get install chromium)", allow_module_level=True)

NAMES = ["jump  & run ", "<script>window.hacked = 1</script>", 'a"quote', "zebra", "{{ 7 * 7 }}"]
SHOWN = [" ".join(name.split()) for name in NAMES]  # with white space as browsers show it
POSITIONS = ([0, 7], [0, 3, 7], [0, 2, 5, 7])


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """Writes a report on ten clips in five classes with malicious names, and two evaluations."""
    folder = tmp_path_factory.mktemp("report")
    generator = np.random.default_rng(0)
    config = {"iterations": 100, "warmup": 0.2, "cooldown": 0.2, "insertion": True, "lr": 1.0}
    provenance = {"method": "dfs", "dataset": "made-up", "vpc": 2, "seed": 3, "config": config}
    with StoreWriter(
        folder / "s.zarr",
        num_frames=8,
        frame_shape=(3, 24, 32),
        class_names=NAMES,
        attributes={"provenance": provenance, "fps": 30.0},
    ) as writer:
        for clip in range(10):
            keys = POSITIONS[clip % 3]
            steps = [-1, *(20 + 3 * clip + key for key in keys[1:-1]), -1]
            frames = generator.random((len(keys), 3, 24, 32), np.float32)
            writer.append(frames, keys, clip // 2, steps)
    with open_store(folder / "s.zarr") as store:
        digest = store.attributes["digest"]
    for protocol, accuracy in (("paper", 31.0), ("strict", 29.0)):
        score = {"mean": accuracy, "std": 1.5, "runs": [accuracy]}
        result = {
            "schema": "dfs.evaluate/1", "model": "convnet3d", "protocol": protocol, "runs": 3, "epochs": 5,
            "passes": 6, "num_classes": 5, "chance": 20.0, "test": {"dataset": "made-up", "num_clips": 50},
            "top1": score, "top5": score, "digest": digest,
            "per_class": {name: 10.0 * label for label, name in enumerate(NAMES)},
        }  # fmt: skip
        (folder / f"s.zarr.convnet3d-{protocol}-5.json").write_text(json.dumps(result))
    words = ["report", str(folder / "s.zarr"), "--out", str(folder / "s.html")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return folder / "s.html"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, page_file):
    """Opens the page in a window, and fails on any console message, error or request."""
    said = []

    def make(**options):
        page = browser.new_page(**options)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if _from_elsewhere(request.url) else None)
        page.goto(page_file.as_uri())
        return page

    yield make
    assert said == []


def _from_elsewhere(url):
    return not url.startswith(("file://", "data:"))


def test_every_section_and_number_is_shown(opened):
    page = opened()
    assert page.locator("h1").inner_text() == "s.zarr: dfs, made-up, VPC 2"
    heads = page.locator("h2").all_inner_texts()
    assert heads == [
        "About this store", "Storage", "Clips", "Insertion timeline", "Evaluation", "Classes", "Settings",
        "Verification",
    ]  # fmt: skip
    assert page.locator("figure.clip").count() == 10
    assert page.locator("#timeline circle").count() > 5
    assert "31.0 ± 1.5 %" in page.locator("#evaluation").inner_text()
    assert "Intact: every rule" in page.locator("#verification").inner_text()


def test_a_phone_shows_whole_words_and_chance(opened):
    page = opened(viewport={"width": 360, "height": 740})
    assert "top-1 (chance\u00a020.0\u00a0%)" in page.locator(".card", has_text="top-1").inner_text()
    # No cell of a table is narrower than its longest word.
    assert (
        page.evaluate(
            """[...document.querySelectorAll('td, th')].filter((cell) => {
            const range = document.createRange();
            return [...cell.childNodes].filter((node) => node.nodeType === 3).some((node) =>
                [...node.textContent.matchAll(/\\S+/g)].some((word) => {
                    range.setStart(node, word.index);
                    range.setEnd(node, word.index + word[0].length);
                    return range.getClientRects().length > 1;
                }));
        }).map((cell) => cell.textContent)"""
        )
        == []
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_timeline_dots_name_key_frames_and_clips(opened):
    titles = opened().locator("#timeline circle title").all_text_contents()
    assert "step 26, key frame at position 3: clip 1 (jump  & run )" in titles


def test_names_are_shown_as_text(opened):
    page = opened()
    assert page.evaluate("window.hacked") is None
    assert page.locator("#class-table tbody th").all_inner_texts() == SHOWN


def test_frames_are_images(opened):
    page = opened()
    page.locator("figure.clip").first.scroll_into_view_if_needed()
    shot = page.locator("figure.clip").first.locator(".big").screenshot()
    import io

    from PIL import Image

    with Image.open(io.BytesIO(shot)) as image:
        assert np.asarray(image.convert("L")).std() > 20


def test_a_clip_plays_and_stops(opened):
    page = opened()
    player = page.locator(".player").first
    shown = player.locator("output")
    player.locator(".play").click()
    sync_api.expect(shown).not_to_have_text("0")
    assert player.locator(".play").get_attribute("aria-pressed") == "true"
    player.locator(".play").click()
    stopped = shown.inner_text()
    page.wait_for_timeout(150)
    assert shown.inner_text() == stopped
    assert (
        page.locator("figure.clip")
        .first.locator(".tile.now")
        .get_attribute("title")
        .startswith(f"position {stopped}:")
    )


def test_all_clips_play_at_once(opened):
    page = opened()
    page.locator("#play-all").click()
    for number in range(10):
        sync_api.expect(page.locator(".player output").nth(number)).not_to_have_text("0")


def test_arrow_keys_step_through_a_clip(opened):
    page = opened()
    slider = page.locator(".player input").nth(1)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator(".player output").nth(1).inner_text() == "3"
    assert slider.get_attribute("aria-valuetext").startswith("position 3: key frame, inserted at step")
    assert slider.get_attribute("aria-label") == "Position in clip 1"


def test_every_control_has_an_accessible_name(opened):
    page = opened()
    unnamed = page.evaluate(
        """[...document.querySelectorAll('button, input, select, [role=img], [tabindex]')].filter((element) =>
            !(element.getAttribute('aria-label') || element.textContent.trim() || element.closest('label'))
        ).length"""
    )
    assert unnamed == 0
    said = page.locator(".big").first.get_attribute("aria-label")
    assert said == "Clip 0, class jump  & run : 8 frames, key frames at 0, 7"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_the_class_table_sorts_by_every_column(opened):
    page = opened()
    names = page.locator("#class-table tbody th")
    page.get_by_role("button", name="Key frames").click()
    frames = [int(text) for text in page.locator("#class-table tbody td:nth-child(3)").all_inner_texts()]
    assert frames == sorted(frames, reverse=True)
    page.get_by_role("button", name="convnet3d paper %").click()
    assert names.all_inner_texts() == SHOWN[::-1]
    page.get_by_role("button", name="convnet3d paper %").click()
    assert names.all_inner_texts() == SHOWN
    page.get_by_role("button", name="Class", exact=True).click()
    assert names.all_inner_texts() == sorted(SHOWN, key=str.lower)
    assert page.locator("#class-table th[aria-sort=ascending]").count() == 1


def test_the_class_table_filters(opened):
    page = opened()
    page.locator("#filter").fill("ZEB")
    assert page.locator("#class-table tbody tr:visible").count() == 1
    assert page.locator("#filtered").inner_text() == "1 of 5"


def test_clips_can_be_limited_to_one_class(opened):
    page = opened()
    page.locator("#clip-class").select_option("zebra")
    assert page.locator("figure.clip:visible").count() == 2
    page.locator("#clip-class").select_option(NAMES[0])
    assert page.locator("figure.clip:visible").count() == 2


def test_the_theme_follows_the_system_and_the_button(opened):
    colour = "getComputedStyle(document.body).backgroundColor"
    light, dark = opened(color_scheme="light"), opened(color_scheme="dark")
    assert light.evaluate(colour) == "rgb(255, 255, 255)"
    assert dark.evaluate(colour) == "rgb(22, 24, 29)"
    light.locator("#theme").click()
    assert light.evaluate(colour) == "rgb(22, 24, 29)"
    dark.locator("#theme").click()
    dark.locator("#theme").click()
    assert dark.evaluate(colour) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_overflows_on_a_phone(opened, width):
    page = opened(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_text_contrasts_with_its_background(opened):
    for scheme in ("light", "dark"):
        page = opened(color_scheme=scheme)
        for where in ("body", ".lead", ".card span", "dt", "a", ".card.good b", "thead th"):
            colours = page.evaluate(
                """(where) => {
                const e = document.querySelector(where);
                let b = e;
                while (getComputedStyle(b).backgroundColor === 'rgba(0, 0, 0, 0)') b = b.parentElement;
                return [getComputedStyle(e).color, getComputedStyle(b).backgroundColor]; }""",
                where,
            )
            assert _contrast(*map(_rgb, colours)) >= 4.5, (scheme, where, colours)  # WCAG AA


def _rgb(text):
    return [int(part) for part in text[text.index("(") + 1 : -1].split(",")[:3]]


def _contrast(one, other):
    def luminance(colour):
        parts = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_it_prints(opened):
    page = opened(color_scheme="dark")
    page.locator("#clip-class").select_option("zebra")
    data = page.pdf(format="A4")
    assert data.startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.locator("figure.clip:visible").count() == 10  # paper cannot show the others on demand
    assert not page.locator("nav").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
