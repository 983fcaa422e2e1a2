"""The page about a cohort, opened and used in a real browser."""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from small_heads import brain, head, save

from napari_brain_uad.core.text import readable
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.cohort.case import Case
from napari_brain_uad.workflows.cohort.cohort import Cohort, evaluate_cohort
from napari_brain_uad.workflows.cohort.cohort_report import save_cohort

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

SCRIPT, FORMULA, QUOTES, IMAGE = (
    "<script>window.ran=1</script>",
    "=cmd()|calc\u202e",
    '"it\'s" $$\\frac{1}{2}$$ &lt;b&gt;',
    "<img src=x onerror=window.ran=1>",
)
METHODS = ["threshold", "robust-intensity"]
_SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
)
_DRAWN = "Bokeh.documents[0].roots().flatMap((plot) => plot.renderers)"
_POINT = """([place, scan]) => {
    const plot = Bokeh.documents[0].roots().find((one) => one.title.text === place);
    const { frame, el } = [...Bokeh.index.roots].find((one) => one.model === plot);
    const { glyph, data_source: { data } } = plot.renderers.find((one) => one.tags.includes("scans") && one.visible);
    const number = data.scan.indexOf(scan), corner = el.getBoundingClientRect();
    const [x, y] = ["x", "y"].map((axis) => frame[axis + "_scale"].compute(data[glyph[axis].field][number]));
    return [corner.left + x, corner.top + y];
}"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder, cases = tmp_path_factory.mktemp("heads"), []
    for number, name in enumerate((SCRIPT, FORMULA, QUOTES, IMAGE)):
        data, truth = head(number, lesion=True)
        noise = ndimage.gaussian_filter(np.random.default_rng(number).normal(size=data.shape), 1) * (150 + 80 * number)
        scan = save(np.where(brain(), data + noise, 0).astype(np.float32), folder / f"{number}.nii.gz")
        cases.append(Case(name, scan, save(truth.astype(np.uint8), folder / f"{number}-truth.nii.gz"), None, "FLAIR"))
    return evaluate_cohort(cases, METHODS, post=PostParams(opening=0), pictures=1, use_cache=False)


@pytest.fixture(scope="module")
def opened(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, list[str]]]:
    """The page as the browser has it, and what went wrong there: errors, warnings, requests."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    file = save_cohort(cohort, tmp_path_factory.mktemp("out"))["html"]
    wrong: list[str] = []
    with playwright.sync_playwright() as driver:  # which talks to the browser over pipes
        profile = tmp_path_factory.mktemp("profile")
        how = {"executable_path": chromium, "args": _SWITCHES.split(), "viewport": {"width": 1366, "height": 900}}
        browser = driver.chromium.launch_persistent_context(profile, **how)
        page = browser.pages[0]
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(("data:", file.as_uri())) else wrong.append(asked.url))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]")
        yield page, wrong
        browser.close()


@pytest.fixture
def page(opened: tuple[Any, list[str]]) -> Iterator[Any]:
    """The page; nothing may go wrong, and nothing be asked for, while it is used."""
    yield opened[0]
    assert opened[1] == []
    assert opened[0].evaluate("window.ran") is None


def _column(page: Any, table: str, number: int) -> list[str]:
    return page.eval_on_selector_all(f"#{table} tbody tr:not([hidden]) td:nth-child({number})", "all => all.map((one) => one.innerText)")


def test_names_are_text(page: Any, cohort: Cohort) -> None:
    assert _column(page, "scan-table", 1) == [readable(row.case) for row in cohort.rows]
    assert page.locator("#cases figure").count() == 2 * len(METHODS)  # the worst and the best
    assert page.locator("img[src=x], script[src], link").count() == 0


def test_a_table_sorts(page: Any, cohort: Cohort) -> None:
    dice = {method: f"{cohort.mean(method, 'auprc').mean:.3f}" for method in METHODS}  # type: ignore[union-attr]  # it is there
    best, other = sorted(METHODS, key=lambda method: -float(dice[method]))
    heading = page.locator("#summary-table th[data-key=auprc] button")
    heading.click()
    assert _column(page, "summary-table", 1) == [best, other]
    heading.click()
    assert _column(page, "summary-table", 1) == [other, best]
    assert page.locator("#summary-table th[data-key=auprc]").get_attribute("aria-sort") == "ascending"
    page.locator("#scan-table th[data-key=flagged_ml] button").click()
    shown = [float(text) for text in _column(page, "scan-table", list(_keys(page)).index("flagged_ml") + 1)]
    assert shown == sorted(shown, reverse=True)


def _keys(page: Any) -> list[str]:
    return page.eval_on_selector_all("#scan-table th", "all => all.map((one) => one.dataset.key)")


def test_scans_are_filtered_by_words_and_figures(page: Any, cohort: Cohort) -> None:
    box, count = page.locator("#scan-filter"), page.locator("#scan-count")
    box.fill("=cmd THRESHOLD")
    assert list(zip(_column(page, "scan-table", 1), _column(page, "scan-table", 3), strict=True)) == [(readable(FORMULA), "threshold")]
    limit = float(np.median([row.figures.auprc for row in cohort.rows]))
    box.fill(f"auprc<{limit}")
    assert count.inner_text() == f"{len(cohort.rows) // 2} of {len(cohort.rows)} lines"
    box.fill("")
    assert len(_column(page, "scan-table", 1)) == len(cohort.rows)


def test_a_method_is_hidden_everywhere(page: Any, cohort: Cohort) -> None:
    seen = f"() => {_DRAWN}.filter((one) => one.tags.includes('method-0') && one.visible).length"
    before = page.evaluate(seen)
    assert before > 8
    page.locator("[data-toggle='0']").click()
    assert page.evaluate(seen) == 0
    assert _column(page, "scan-table", 3) == ["robust-intensity"] * 4
    assert _column(page, "summary-table", 1) == ["robust-intensity"]
    page.locator("[data-toggle='0']").click()
    assert page.evaluate(seen) == before
    page.locator("[data-layer=each-scan]").uncheck()
    assert page.evaluate(seen) == before - 2
    page.locator("[data-layer=each-scan]").check()
    page.locator("#plot-curves-pr .bk-Legend .bk-item").first.click()  # of this plot alone
    assert page.evaluate(seen) == before - 2


def test_limits_of_agreement_are_where_they_belong(page: Any, cohort: Cohort) -> None:
    levels = page.evaluate(
        """() => Bokeh.documents[0].roots().find((one) => one.title.text === "Flagged against true volume").renderers
            .filter((one) => one.tags.includes("method-1") && !one.tags.includes("scans")).flatMap((one) => [...one.data_source.data.y])"""
    )
    own = [row for row in cohort.rows if row.figures.method == METHODS[1]]
    differences = np.array([row.figures.flagged_ml - 6 * 6 * 5 * 7.5 / 1000 for row in own])  # every lesion has 6 x 6 x 5 voxels of 7.5 mm3
    mean, spread = differences.mean(), 1.96 * differences.std(ddof=1)
    assert levels == pytest.approx([mean, mean - spread, mean + spread])


@pytest.mark.parametrize("scan", [SCRIPT, readable(FORMULA), QUOTES, IMAGE])
def test_a_point_says_which_scan_it_is(page: Any, scan: str) -> None:
    page.locator("#plot-spread-auprc").scroll_into_view_if_needed()
    page.mouse.move(*page.evaluate(_POINT, ["AUPRC", scan]))
    tip = page.locator(".bk-Tooltip td", has_text=scan)
    tip.first.wait_for(timeout=5000)
    assert tip.first.inner_text() == scan
    page.mouse.move(5, 5)


def test_a_scan_is_marked_in_plots_and_table(page: Any) -> None:
    page.locator("#plot-spread-auprc").scroll_into_view_if_needed()
    page.mouse.click(*page.evaluate(_POINT, ["AUPRC", readable(FORMULA)]))
    page.locator("#scan-table tr.chosen").first.wait_for(timeout=5000)  # Bokeh waits for a second click
    marked = page.eval_on_selector_all("#scan-table tr.chosen td:first-child", "all => all.map((one) => one.innerText)")
    assert set(marked) == {readable(FORMULA)}
    chosen = page.evaluate(f"() => {_DRAWN}.filter((one) => one.tags.includes('scans')).map((one) => one.data_source.selected.indices)")
    assert chosen == [[1]] * len(chosen)


def test_printed_plots_fit_the_page(page: Any) -> None:
    """A4, the narrower of the common papers; afterwards they are as before."""
    widths = "() => [...document.querySelectorAll('.plot')].map((one) => one.getBoundingClientRect().width)"
    before = page.evaluate(widths)
    pages = list(_printed(page.pdf(format="A4")))
    assert page.evaluate(widths) == before
    margin = 14 / 25.4 * 72
    canvases = [canvas for width, images in pages for canvas in images]
    assert max(before) > 800, "wider than the page"
    assert sum(right - left > 230 for left, right in canvases) >= len(before)
    for width, images in pages:
        assert width == pytest.approx(210 / 25.4 * 72, abs=1)
        assert all(margin - 1 < left and right < width - margin + 1 for left, right in images)


def _printed(pdf: bytes) -> Iterator[tuple[float, list[tuple[float, float]]]]:
    """Of every page of a PDF that Chromium made: its width, and left and right of the images on it, in points."""
    objects = {int(number): body for number, body in re.findall(rb"\n(\d+) 0 obj\n(.*?)\nendobj", pdf, flags=re.DOTALL)}
    for body in objects.values():
        if re.search(rb"/Type /Page\b", body) is None:
            continue
        found = re.search(rb"/MediaBox \[0 0 ([0-9.]+)", body), re.search(rb"/Contents (\d+) 0 R", body)
        assert found[0] is not None
        assert found[1] is not None
        drawn = {name for name, number in re.findall(rb"/(X\d+) (\d+) 0 R", body) if b"/Subtype /Image" in objects[int(number)]}
        content = zlib.decompress(objects[int(found[1][1])].partition(b"stream\n")[2])
        images, kept, matrix = [], [], np.eye(3)
        for numbers, operator in re.findall(rb"^((?:[-0-9.]+ ){6})?/?(q|Q|cm|X\d+)(?: Do)?$", content, flags=re.MULTILINE):
            if operator == b"q":
                kept.append(matrix)
            elif operator == b"Q":
                matrix = kept.pop()
            elif operator == b"cm":
                a, b, c, d, e, f = map(float, numbers.split())
                matrix = np.array([[a, b, 0], [c, d, 0], [e, f, 1]]) @ matrix
            elif operator in drawn:
                corners = np.array([[0, 0, 1], [1, 1, 1]]) @ matrix
                images.append((float(corners[:, 0].min()), float(corners[:, 0].max())))
        yield float(found[0][1]), images
