"""The notebooks in JupyterLab, before a real browser (Debian's Chromium)."""

import io
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from numpy.typing import NDArray
from one_node_slurm import NoSlurmError, running_slurm, write_profile
from PIL import Image
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page, sync_playwright

from llzo_helpers.generate.crystal import crystal
from llzo_helpers.paths import NOTEBOOKS, ROOT
from llzo_helpers.structures import write_structure

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TOKEN = "test"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]


ANALYSED = """
from llzo_helpers.campaign.diffusion import analyse_diffusion
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.networks import analyse_networks
from llzo_helpers.campaign.site_analysis import analyse_sites
from llzo_helpers.figures.diffusion import running_diffusion_figure
from llzo_helpers.figures.register import save_figure

campaign = load_campaign(parameters.output)
first, _ = analyse_sites(campaign)
save_figure(campaign, running_diffusion_figure({"run": diffusion}))
networks = analyse_networks(campaign, analyse_diffusion(campaign)[0])
"""


def by_hand() -> nbformat.NotebookNode:
    """Return a notebook of the cells of 01, 02 with a shorter run, and the panels of 03 to 05."""
    path = [*code("01_generate"), *code("02_run_md"), ANALYSED]
    for name in ("03_diffusion", "04_sites", "05_gop"):
        path += [source for source in code(name) if source.startswith("if interactive()")]
    shorter = {"equilibration_ps: float = 2 ": "equilibration_ps: float = 0.5 "}
    shorter |= {"production_ps: float = 10 ": "production_ps: float = 5 "}
    shorter |= {"segment_ps: float = 5 ": "segment_ps: float = 2.5 "}
    for long, short in shorter.items():
        assert sum(long in source for source in path) == 1
        path = [source.replace(long, short) for source in path]
    # two runs that are there
    path += ['display(compare_runs(load_campaign("uo2")))  # beside each other']
    cells = [nbformat.v4.new_code_cell(source) for source in path]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


def code(name: str) -> list[str]:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, its Slurm profile adapted as README says."""
    root = tmp_path_factory.mktemp("lab")
    for name in ("data", "llzo_helpers", "notebooks", "parameters", "potentials", "workflow"):
        shutil.copytree(ROOT / name, root / name)
    shutil.rmtree(root / "workflow/profiles/slurm")
    write_profile(root / "workflow/profiles/slurm")
    # runs that are still at work when the table, which is read every 5 s, shows and cancels them
    smoke = root / "parameters/smoke.yaml"
    smoke.write_text(smoke.read_text().replace("  production_ps: 2\n", "  production_ps: 200\n"))
    # of the campaigns that ship this one comes with its trajectories
    diffusion = root / "notebooks/03_diffusion.ipynb"
    diffusion.write_text(diffusion.read_text().replace('= \\"reference\\"', '= \\"uo2\\"'))
    return root


@pytest.fixture(scope="module")
def lab(project: Path) -> Iterator[str]:
    """Address of a JupyterLab over it."""
    root = project
    # what a campaign's first run starts from
    name = "C-Li6.25-V101-1x1x1-r1"
    atoms = crystal(li_per_formula=6.25, volume_ratio=1.01, seed=1)
    write_structure(atoms, root / "results" / "smoke" / "structures" / name, {})
    nbformat.write(by_hand(), root / "notebooks" / "by_hand.ipynb")
    # all cells stay in the page, so that they can be found
    settings = root / ".jupyter/lab/user-settings/@jupyterlab/notebook-extension"
    settings.mkdir(parents=True)
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser"]
    command += [f"--port={port}", f"--IdentityProvider.token={TOKEN}"]
    # as `make lab` starts it
    told = subprocess.run(
        ["make", "-n", "lab"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    (options,) = re.findall(r"jupyter lab (.+)", told)
    command += shlex.split(options)
    with (root / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=root,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "HOME": str(root),
                "LLZO_RESULTS": str(root / "results"),
                "PYTHONPATH": str(root),
            },
        )
    address = f"http://127.0.0.1:{port}/?token={TOKEN}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={TOKEN}", timeout=1)
            break
        except OSError:
            assert server.poll() is None, (root / "lab.log").read_text()
            time.sleep(0.5)
    yield address
    server.terminate()
    server.wait()


@pytest.fixture(scope="module")
def page(lab: str) -> Iterator[Page]:
    """A browser; no error may show in its console as long as the server runs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"],
        )
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        yield page
        browser.close()
        assert not errors, errors


def run_all(page: Page, seconds: float) -> None:
    """Run all cells of the open notebook and wait until the last has run; no error may show."""
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    last = page.locator(".jp-CodeCell .jp-InputPrompt").last
    deadline = time.monotonic() + seconds
    while not last.inner_text().strip(" []:").isdigit():
        errors = page.locator('[data-mime-type="application/vnd.jupyter.error"]')
        assert errors.count() == 0, errors.first.inner_text()
        assert time.monotonic() < deadline, "the notebook did not come to its end"
        time.sleep(0.5)


def output(page: Page, code: str) -> Locator:
    """What the cell with this code put out."""
    return page.locator(".jp-CodeCell", has_text=code).locator(".jp-OutputArea").first


def picture(drawing: Locator) -> NDArray[np.uint8]:
    """Pixels of a figure or structure, [row, column, colour]."""
    return np.asarray(Image.open(io.BytesIO(drawing.screenshot(timeout=60_000))).convert("RGB"))


def drawn(drawing: Locator, unlike: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Wait until something is drawn, all of it, that is not what was there before.

    Something: at least one pixel in 200 that is not as the background; a change: one in 2000.
    """
    pixels = np.zeros((1, 1, 3), dtype=np.uint8)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        last = pixels
        try:
            pixels = picture(drawing)
        except PlaywrightError:
            # replaced meanwhile
            continue
        background = (pixels == pixels[2, 2]).all(axis=2)
        if not same(pixels, unlike) and same(pixels, last) and background.mean() < 0.995:
            return pixels
        time.sleep(0.2)
    pytest.fail(f"{drawing}: nothing was drawn, or it did not change")


def coloured(pixels: NDArray[np.uint8]) -> bool:
    """Whether more than axes and text is drawn: markers, surfaces or atoms, which have colours."""
    return bool((np.ptp(pixels.astype(int), axis=2) > 60).sum() > 30)


def same(pixels: NDArray[np.uint8], others: NDArray[np.uint8] | None) -> bool:
    if others is None or pixels.shape != others.shape:
        return False
    return bool((pixels != others).any(axis=2).mean() < 0.0005)


def test_each_widget_is_drawn_and_follows_its_controls(page: Page, lab: str, project: Path):
    """By its pixels; the notebooks' own cells, all in one session, from the start page."""
    page.goto(lab)
    page.get_by_role("heading", name="Start here").wait_for(timeout=60_000)
    assert page.get_by_role("link", name="01_generate").count() == 1
    page.locator(".jp-DirListing-item", has_text="by_hand").dblclick()
    run_all(page, 180)

    structure = output(page, "show_structure(atoms)").locator("canvas")
    before = drawn(structure)
    assert coloured(before)
    box = structure.bounding_box()
    assert box
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 160, steps=3)
    page.mouse.up()
    drawn(structure, unlike=before)

    cell = output(page, "explore_crystal(")
    before = drawn(cell.locator("canvas"))
    assert coloured(before)
    cell.get_by_role("slider").first.press("End")
    cell.get_by_text("La24Li60O96Zr16").wait_for()
    drawn(cell.locator("canvas"), unlike=before)

    run = output(page, "md_panel(")
    run.get_by_role("button", name="Run").click()
    run.get_by_text("done: ").wait_for(timeout=120_000)
    run.get_by_text("cm²/s").wait_for()
    thermo, msd = run.locator(".js-plotly-plot").all()
    drawn(thermo)
    drawn(msd)

    made = output(page, "crystal_panel(")
    made.get_by_role("slider").first.press("End")
    made.get_by_role("button", name="Run").click()
    made.get_by_text("done: ").wait_for(timeout=180_000)
    assert "C-Li7.5-" in made.get_by_text("done: ").inner_text()
    made.get_by_text("cm²/s").wait_for()
    drawn(made.locator(".js-plotly-plot").last)

    beside = output(page, "# beside each other")
    before = drawn(beside.locator(".js-plotly-plot"))
    assert beside.locator("tbody tr").count() == 2
    beside.locator("select").first.select_option(index=1)
    drawn(beside.locator(".js-plotly-plot"), unlike=before)

    export = output(page, "display(export_panel(")
    export.get_by_role("button", name="Export").click()
    export.get_by_text("4 files in ").wait_for(timeout=120_000)
    folder = Path(export.get_by_text("4 files in ").inner_text().removeprefix("4 files in "))
    written = {path.suffix for path in folder.glob("running_diffusion.*")}
    assert written == {".json", ".csv", ".svg", ".pdf", ".png"}

    fit, own = output(page, "explore_fit(").locator(".jp-OutputArea-output").all()
    before = drawn(fit.locator(".js-plotly-plot"))
    fit.get_by_role("slider").first.press("Home")
    drawn(fit.locator(".js-plotly-plot"), unlike=before)

    file = str(project / "data/example_uo2/uo2_3000K.dump.gz")
    path = own.get_by_label("file")
    # offered as one types
    names = path.get_attribute("list")
    assert page.locator(f'datalist[id="{names}"] option[value="{file}"]').count() == 1
    for label, text in (("file", file), ("elements", "1: U, 2: O"), ("ps per frame", "0.2")):
        own.get_by_label(label).fill(text)
        own.get_by_label(label).press("Tab")
    own.get_by_role("button", name="Open").click()
    own.get_by_text("200 frames, 0.2 ps apart, O216U108").wait_for(timeout=60_000)
    own.get_by_text("nearest image").wait_for()
    assert coloured(drawn(own.locator("canvas")))
    own.locator("select[multiple]").select_option("O")
    own.get_by_role("button", name="Analyse").click()
    # as the notebook's table gives it
    own.get_by_text("D = (1.").wait_for(timeout=60_000)
    drawn(own.locator(".js-plotly-plot"))

    density = output(page, "explore_density(")
    before = drawn(density.locator(".js-plotly-plot"))
    assert coloured(before)
    density.get_by_role("slider").press("PageUp")
    drawn(density.locator(".js-plotly-plot"), unlike=before)

    order = output(page, "explore_order_parameter(")
    before = drawn(order.locator(".js-plotly-plot"))
    assert coloured(before)
    order.get_by_role("button", name="1").click()
    assert coloured(drawn(order.locator(".js-plotly-plot"), unlike=before))


def test_a_campaign_started_and_cancelled_from_the_panel(page: Page, lab: str):
    """In the session of the test before; a run chosen, met at work, and cancelled."""
    start_and_cancel(page)


def test_a_campaign_on_slurm_from_the_panel(page: Page, lab: str, project: Path):
    try:
        with running_slurm(cpus=2):
            output(page, "campaign_panel(").locator("select").nth(1).select_option("slurm")
            start_and_cancel(page, by="Slurm job")
            jobs = subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True)
            assert jobs.stdout == ""
    except NoSlurmError as error:
        pytest.skip(f"no Slurm: {error}")


def start_and_cancel(page: Page, by: str = "") -> None:
    panel = output(page, "campaign_panel(")
    panel.locator("select").first.select_option("smoke")
    table = panel.locator(".llzo-runs")
    table.get_by_text("waiting").first.wait_for()
    panel.locator("select[multiple]").select_option(index=[0])
    panel.get_by_role("button", name="Start").click()
    table.get_by_text("running").wait_for(timeout=120_000)
    table.get_by_text(by).first.wait_for()
    panel.get_by_role("button", name="Cancel").click()
    # the table follows by itself until the engine has ended
    panel.locator("button:enabled", has_text="Start").wait_for(timeout=60_000)
    assert table.get_by_text("running").count() == 0
