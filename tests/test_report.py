"""The HTML report: what it carries and what it must never carry, and how it behaves in a browser."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from releases import LOST_TEXT, make_release, some_rows

from chimed import parquet
from chimed.build.overlap import OVERLAP
from chimed.build.samples import SAMPLES
from chimed.release import Release
from chimed.report import render

ATTACK = "</script><script>window.taken = 1</script><img src=x onerror='window.taken = 2'><!--<script>"
BEFORE, AFTER = "电话 13900001234，体温３８℃", "电话 <PHONE>，体温38℃"
PLOTS = ("composition", "domains", "lengths", "losses", "twins", "masked", "overlap")


def release_with_everything(folder: Path) -> Release:
    """A release whose report has something to draw in every part, with an attack in record texts and twins."""
    rows = some_rows("sft", 5)
    for number, row in enumerate(rows):
        row["messages"][0]["content"] += ATTACK if number % 2 else "\u2028 & done"
    made = make_release(folder, "sft", rows=rows, lost={"near_duplicate": 2, "exact_duplicate": 1})
    changed = [
        {
            "id": rows[n]["id"],
            "source": rows[n]["source"],
            "did": "width",
            "before": start + BEFORE + ATTACK,
            "after": start + AFTER,
        }
        for n, start in enumerate(("", "共同的开头" * 200))
    ]
    seen = [{"set": "ceval", "item": "1", "coverage": 0.95, "run": 40, "contaminated": True, "record": rows[0]["id"],
             "source": rows[0]["source"], "published": True}]  # fmt: skip
    for name, schema, lines in (("samples/part-00000", SAMPLES, changed), ("overlap", OVERLAP, seen)):
        (made.path / name).parent.mkdir(exist_ok=True)
        parquet.write_one(made.path / f"{name}.parquet", [pa.RecordBatch.from_pylist(lines, schema)], schema)
    sources = [
        entry.model_copy(update={"lengths": [0, 0, 3, 9, 1], "steps": {"mask": {"PHONE": 2, "NAME": 1}}})
        for entry in made.manifest.sources
    ]
    update = {"sources": sources, "steps": {"guard": {"checked": True, "sets": {"ceval": 1}}}}
    return Release(made.path, made.manifest.model_copy(update=update))


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return release_with_everything(tmp_path_factory.mktemp("report"))


def test_the_same_release_gives_the_same_bytes(release: Release, tmp_path: Path) -> None:
    again = release_with_everything(tmp_path)
    assert render(release.path, release.manifest) == render(again.path, again.manifest)


def test_a_record_cannot_leave_its_place(release: Release) -> None:
    page = render(release.path, release.manifest)
    assert "window.taken" in page and "<script>window.taken" not in page and "<img src=x" not in page
    assert page.count("</script>") == 2 and "\u2028" not in page
    assert any(ATTACK in sample["text"] for sample in data_of(page)["samples"])


def test_nothing_is_fetched(release: Release) -> None:
    page = render(release.path, release.manifest)
    own = page.replace("http://www.w3.org/2000/svg", "")
    assert not re.findall(r"(?:src|href)\s*=\s*[\"'](?!data:,)[^\"']", own.split('id="data"')[0])
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|https?://", own)


def test_a_published_copy_carries_neither_lost_rows_nor_unmasked_text(release: Release) -> None:
    local, public = (render(release.path, release.manifest, local=here) for here in (True, False))
    assert "13900001234" in local and LOST_TEXT in local
    assert "13900001234" not in public and LOST_TEXT not in public
    assert (data_of(public)["twins"], data_of(public)["changes"], data_of(public)["clusters"]) == ([], [], [])
    assert data_of(public)["samples"] == data_of(local)["samples"]


def test_a_change_far_inside_a_text_is_in_sight(release: Release) -> None:
    far = data_of(render(release.path, release.manifest))["changes"][1]
    assert len(far["before"]) <= 702 and BEFORE in far["before"] and far["before"].startswith("…")


def test_duplicates_are_counted_by_cluster(release: Release) -> None:
    assert data_of(render(release.path, release.manifest))["clusters"] == [[4, 1]]


@pytest.fixture(scope="module", params=[1280, 390])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def browser(width: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    found, chauffeur = shutil.which("chromium"), shutil.which("chromedriver")
    if found is None or chauffeur is None:
        pytest.skip("no Chromium here: apt-get install chromium chromium-driver")
    driver = open_browser(found, chauffeur, tmp_path_factory.mktemp("profile"), width)
    yield driver
    driver.quit()


class TestInABrowser:
    """Headless Chromium opens the file; Debian's packages chromium and chromium-driver."""

    @pytest.fixture
    def page(self, browser: Any, release: Release, tmp_path: Path, width: int) -> Iterator[Any]:
        path = tmp_path / "report.html"
        path.write_text(render(release.path, release.manifest), encoding="utf-8")
        browser.get(path.as_uri())
        yield browser
        browser.save_screenshot(str(tmp_path / f"report-{width}.png"))
        assert browser.get_log("browser") == []
        assert browser.execute_script("return window.taken") is None

    def test_every_plot_has_marks_and_nothing_sticks_out(self, page: Any, width: int) -> None:
        for name in PLOTS:
            marks = page.execute_script(f"return document.querySelectorAll('#{name} svg .mark').length")
            assert marks >= 1, name
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        small = page.execute_script(
            "return Math.min(...[...document.querySelectorAll('svg text')].filter(t => t.textContent)"
            ".map(t => t.getBoundingClientRect().height))"
        )
        assert small >= 9
        cut = page.execute_script(
            "return [...document.querySelectorAll('svg text')].filter(t => { const a = t.getBoundingClientRect(), "
            "b = t.closest('section').getBoundingClientRect(); return a.left < b.left || a.right > b.right; })"
            ".map(t => t.textContent)"
        )
        assert cut == []

    def test_the_viewers_turn_pages_and_show_what_differs(self, page: Any, width: int) -> None:
        for name, total in (("diff", 3), ("change", 2)):
            back, on = page.find_elements("css selector", f"#{name} button")
            count = page.find_element("css selector", f"#{name} .bar span")
            assert count.text == f"1 / {total}"
            on.click()
            assert count.text == f"2 / {total}"
            back.click()
            back.click()
            assert count.text == f"{total} / {total}"
        assert page.find_elements("css selector", "#change del") and page.find_elements("css selector", "#change ins")

    def test_the_language_switches_and_keeps_the_place(self, page: Any, width: int) -> None:
        assert page.find_element("css selector", "#composition h2").text == "构成"
        page.find_elements("css selector", "#diff button")[1].click()
        page.find_element("id", "lang").click()
        assert page.find_element("css selector", "#composition h2").text == "Composition"
        assert page.find_element("css selector", "#diff .bar span").text == "2 of 3"
        assert page.execute_script("return document.documentElement.lang") == "en"

    def test_the_search_finds_and_says_how_many(self, page: Any, width: int) -> None:
        field = page.find_element("css selector", "#search input")
        field.send_keys("window.taken")
        rows = page.find_elements("css selector", "#search .row")
        assert 0 < len(rows) < len(some_rows("sft", 5)) and all("window.taken" in row.text for row in rows)
        field.send_keys("没有这样的词")
        assert not page.find_elements("css selector", "#search .row")
        assert page.find_element("css selector", "#search .bar span").text.startswith("0 / ")


def open_browser(browser: str, chauffeur: str, profile: Path, width: int) -> Any:
    """Headless Chromium of this width, without network services of its own."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update",
                 "disable-sync", "disable-dev-shm-usage", f"user-data-dir={profile}"):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chauffeur))
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    return driver
