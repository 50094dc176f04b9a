"""One HTML file from the rows, opened in a real browser: nothing is fetched, nothing complains, everything answers."""

import dataclasses
import os
import shutil

import numpy as np
import pytest

from orchestrator.errors import InputError
from orchestrator.experiment.job import Category
from orchestrator.report import writing
from orchestrator.results.output import Output
from orchestrator.results.rows import COMPLETED, FAILED, MISTAKE, PRUNED

HOSTILE = "</script><script>alert(1)</script> \"'<img src=x onerror=alert(2)>${x}{{7*7}}"
HOSTILE_MODEL = "<b>bold</b><a href='https://example.invalid'>x</a>"
SECTIONS = ["answer", "leaderboard", "auc", "curves", "search", "time", "warm-start", "mistakes", "run"]
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
INK = {"light": "rgb(27, 31, 36)", "dark": "rgb(230, 233, 237)"}
PHONE = {"viewport": {"width": 390, "height": 844}}
LABELS = np.array([0] * 6 + [1] * 6)
PARAMS = {"lr": 2e-4, "w_adv": 1.0, "w_con": 50.0, "w_lat": 1.0, "score_w_pixel": 0.9}


@pytest.fixture(scope="module")
def leave(make_job, make_trial, make_measured, make_picture):
    """A finished job of 9 trials (one failed, one stopped) with scores and pictures."""

    def write(output: Output, category: str = "bottle", model: str = "sa_skip_ganomaly", gap: float = 2.0, **columns):
        place = Category("mvtec_ad", category, "/data", images=9, train_images=5, fingerprint="f")
        job = make_job(place, trials=9)
        rng = np.random.default_rng(len(category))
        row, scores = make_measured(
            job, LABELS, rng.standard_normal(12) + gap * LABELS, threshold=1.0, started_at="2026-01-01T00:09:30+00:00",
            finished_at="2026-01-01T00:10:00+00:00",
        )  # fmt: skip
        own = {"model": model, "job_id": f"{job.id}{model}{columns.get('warm_start', '')}", **columns}
        row = dataclasses.replace(row, **own)
        output.write_job(row)
        identity = {"model": model, "job_id": own["job_id"]}
        output.write_scores(row, [dataclasses.replace(score, **identity) for score in scores])
        wrong = make_picture(job, "test/crack/<i>.png", "crack", score=0.1, why=MISTAKE)
        pictures = [make_picture(job, "test/good/1.png"), wrong]
        output.write_pictures(row, [dataclasses.replace(picture, **identity) for picture in pictures])
        for i in range(9):
            status = {4: FAILED, 5: PRUNED}.get(i, COMPLETED)
            params = {name: value * (0.9 if name == "score_w_pixel" else 1 + i / 9) for name, value in PARAMS.items()}
            times = {"started_at": f"2026-01-01T00:0{i}:00+00:00", "finished_at": f"2026-01-01T00:0{i}:50+00:00"}
            trial = make_trial(job, i, [] if status == FAILED else [0.5 + (i * 7 % 9) / 20], status, params, **times)
            preset = ("warm:x" if "warm_start" in columns else "paper") if i == 0 else None
            output.write_trial(dataclasses.replace(trial, preset=preset, trial_id=f"{own['job_id']}-{i}", **own))

    return write


@pytest.fixture(scope="module")
def file(leave, make_job, make_job_row, tmp_path_factory):
    """A report of two categories, three models, a failed job and a warm start."""
    folder = tmp_path_factory.mktemp("report")
    output = Output(str(folder / "out"))
    leave(output)
    leave(output, model="mean_image", gap=0.5)
    leave(output, HOSTILE, HOSTILE_MODEL)
    leave(output, warm_start="earlier", settings="warm")
    error = f"ValueError: {HOSTILE}"
    output.write_job(make_job_row(make_job("cable"), None, status=FAILED, error=error, test_auc_low=None))
    writing.write(output, folder / "report.html")
    return folder / "report.html"


def sync_api():
    return pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def chromium():
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is no Chromium on this machine to open the report with")
    with sync_api().sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, file):
    """Opens the report in a fresh context; after the test, nothing may have complained or been fetched."""
    contexts, complaints, fetched = [], [], []

    def open_page(**options):
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in fetched if not url.startswith(("data:", "blob:"))] == [file.as_uri()] * len(contexts)


def draw_all(page) -> None:
    """As printing does, whatever is on the screen."""
    page.evaluate("drawAll(scheme.matches)")


def column(page, number: int) -> list[str]:
    return page.locator(f".sortable tbody tr:visible td:nth-child({number})").all_inner_texts()


def test_every_section_has_a_heading_and_says_how_to_read_it(visit):
    page = visit()
    assert page.locator("section").evaluate_all("all => all.map(own => own.id)") == SECTIONS
    assert page.locator("section > h2").count() == page.locator("section > .how").count() == len(SECTIONS)


def test_the_answer_stands_above_everything(visit):
    row = visit().locator("section").first.locator("tr", has_text="bottle · cold").inner_text()
    assert "sa_skip_ganomaly" in row and "0.889 0.308–0.993" in row and "told apart from" in row


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_plots_are_drawn_in_the_colours_of_the_scheme(visit, color_scheme):
    page = visit(color_scheme=color_scheme)
    page.locator("#search select").select_option("bottle · cold · sa_skip_ganomaly · seed 0")
    draw_all(page)
    traces = page.locator(".plot").evaluate_all("all => all.map(own => own.canvas.querySelectorAll('.trace').length)")
    assert len(traces) == 13 and all(traces)  # AUROC, 2 curves, histogram, 3 of the search, 4 slices, time, warm start
    sync_api().expect(page.locator("#auc .xtitle")).to_have_css("fill", INK[color_scheme])


def test_plots_follow_a_change_of_the_scheme(visit):
    page = visit(color_scheme="light")
    page.locator("#auc").scroll_into_view_if_needed()
    sync_api().expect(page.locator("#auc .xtitle")).to_have_css("fill", INK["light"])
    page.emulate_media(color_scheme="dark")
    sync_api().expect(page.locator("#auc .xtitle")).to_have_css("fill", INK["dark"])


def test_plots_draw_themselves_when_they_come_near(visit):
    page = visit()
    assert page.locator("#time .main-svg").count() == 0
    page.locator("#time").scroll_into_view_if_needed()
    page.locator("#time .main-svg").first.wait_for()


def test_a_failed_job_is_a_row_with_its_error(visit):
    row = visit().locator(".sortable tr.failed")
    assert "cable" in row.inner_text() and "failed: ValueError: </script><script>" in row.inner_text()


def test_headings_sort_numbers_as_numbers_with_the_missing_last(visit):
    page = visit()
    heading = page.locator(".sortable th", has_text="test AUROC")
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    figures = column(page, 5)
    assert heading.get_attribute("aria-sort") == "descending"
    assert figures[:-1] == sorted(figures[:-1], reverse=True) and figures[-1] == "–"
    page.keyboard.press("Enter")
    figures = column(page, 5)
    assert heading.get_attribute("aria-sort") == "ascending" and figures[:-1] == sorted(figures[:-1])
    assert figures[-1] == "–" and page.locator("th[aria-sort=ascending]").count() == 1


def test_rows_are_filtered_by_text_category_and_model(visit):
    page = visit()
    assert len(column(page, 3)) == 5
    page.locator("input[type=search]").fill("MEAN_")
    assert column(page, 3) == ["mean_image"] and page.locator("output").inner_text() == "1 of 5 rows"
    page.locator("input[type=search]").fill("valueerror")
    assert column(page, 2) == ["cable · cold"]
    page.locator("input[type=search]").fill("")
    page.locator(".filters select").nth(1).select_option(HOSTILE_MODEL)
    assert column(page, 3) == [HOSTILE_MODEL]
    page.locator(".filters select").nth(0).select_option("cable · cold")
    assert column(page, 3) == []


def test_another_category_redraws_the_curves(visit):
    page = visit()
    names = "document.querySelectorAll('#curves .plot')[0].canvas.data.map(trace => trace.name)"
    draw_all(page)
    assert len(page.evaluate(names)) == 1  # in alphabetical order, the hostile one is first
    page.locator("#curves select").first.select_option("bottle · cold")
    draw_all(page)
    assert len(page.evaluate(names)) == 2
    page.locator("#curves .chooser .chooser select").select_option(index=1)
    draw_all(page)
    assert page.locator("#curves .panel .panel .plot .trace").count() >= 2


def test_hostile_names_are_shown_sign_by_sign(visit):
    page = visit()
    assert HOSTILE_MODEL in page.locator("#leaderboard").inner_text()
    assert f"{HOSTILE} · cold" in column(page, 2)
    draw_all(page)
    legend = page.locator("#auc .legendtext").all_text_contents()
    assert any(text.startswith("<b>bold</b><a href=") for text in legend)
    assert page.locator("svg a, #auc img").count() == 0
    assert page.evaluate("document.scripts.length") < 60 and page.locator("script[src]").count() == 0


def test_mistakes_are_pictures_that_are_there(visit):
    page = visit()
    page.locator("#mistakes select").first.select_option("bottle · cold")
    assert "missed defect" in page.locator("#mistakes .card.wrong").first.inner_text()
    assert page.locator("#mistakes img").evaluate_all("all => all.every(own => own.decode && own.naturalWidth == 8)")


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_a_phone_shows_it_without_sideways_scrolling(visit, color_scheme):
    page = visit(**PHONE, color_scheme=color_scheme)
    draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    heights = page.locator("main select, main input, .sortable button").evaluate_all(
        "all => all.map(own => own.getBoundingClientRect().height)"
    )
    assert min(heights) >= 44


# -- without a browser


@pytest.fixture
def output(tmp_path) -> Output:
    return Output(str(tmp_path / "out"))


def test_the_line_says_what_was_written(output, leave, tmp_path):
    leave(output)
    file = tmp_path / "to" / "report.html"
    line = writing.write(output, file)
    size_mb = f"{file.stat().st_size / 1e6:.1f}"
    assert line == f"wrote {file} ({size_mb} MB): 1 job, 9 trials"


def test_the_same_rows_give_the_same_file(output, leave, tmp_path):
    leave(output)
    for name in ("one.html", "two.html"):
        writing.write(output, tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_a_search_under_way_has_a_report(output, make_job, make_trial, tmp_path):
    output.write_trial(make_trial(make_job(), 0, [0.7]))
    assert writing.write(output, tmp_path / "report.html").endswith("0 jobs, 1 trial")
    assert "No job has a result yet." in (tmp_path / "report.html").read_text()


def test_failures_alone_have_a_report(output, make_job, make_job_row, tmp_path):
    output.write_job(make_job_row(make_job(), None, status=FAILED, error="ValueError: no luck"))
    writing.write(output, tmp_path / "report.html")
    assert "failed: ValueError: no luck" in (tmp_path / "report.html").read_text()


def test_rows_of_anybodys_making_do_not_break_it(output, leave, make_job, make_trial, make_measured, tmp_path):
    leave(output)
    job = make_job("odd")
    row, scores = make_measured(job, LABELS, LABELS * 1.0, threshold=float("nan"), started_at="yesterday")
    output.write_job(dataclasses.replace(row, au_pro=float("inf")))
    output.write_scores(row, [dataclasses.replace(score, score=float("inf")) for score in scores])
    for i, params in enumerate(['[1, "2"]', "{", '{"lr": "fast", "w_adv": [1]}', '{"lr": NaN}']):
        output.write_trial(dataclasses.replace(make_trial(job, i, [float("nan")]), params=params))
    output.write(b"no parquet", "trials", "odd.parquet")
    output.write(b"no json", "experiments", f"{job.experiment.hash()}.json")
    writing.write(output, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "trials/odd.parquet" in text and "Its description is not in this output." in text


def test_nothing_to_report_is_one_line(output, tmp_path):
    with pytest.raises(InputError, match="holds no job and no trial"):
        writing.write(output, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_file_that_cannot_be_written_is_one_line_and_leaves_nothing(output, leave, tmp_path):
    leave(output)
    (tmp_path / "taken.html").mkdir()
    with pytest.raises(InputError, match=r"taken.html cannot be written \(Is a directory\)"):
        writing.write(output, tmp_path / "taken.html")
    assert sorted(os.listdir(tmp_path)) == ["out", "taken.html"]
