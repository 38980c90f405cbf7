"""The notebooks in JupyterLab, before a real browser (Debian's Chromium)."""

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from one_node_slurm import NoSlurmError, running_slurm, write_profile
from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

from llzo_helpers.generate.crystal import crystal
from llzo_helpers.paths import ROOT
from llzo_helpers.structures import write_structure

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TOKEN = "test"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]


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
    diffusion.write_text(diffusion.read_text().replace('= \\"quick\\"', '= \\"uo2\\"'))
    return root


@pytest.fixture(scope="module")
def lab(project: Path) -> Iterator[str]:
    """Address of a JupyterLab over it."""
    root = project
    # what notebook 02 starts from by default
    name = "C-Li6.25-V101-1x1x1-r1"
    atoms = crystal(li_per_formula=6.25, volume_ratio=1.01, seed=1)
    write_structure(atoms, root / "results" / "by_hand" / "structures" / name, {})
    # what a campaign's first run starts from
    write_structure(atoms, root / "results" / "smoke" / "structures" / name, {})
    # all cells stay in the page, so that they can be found; no question about news
    settings = root / ".jupyter" / "lab" / "user-settings" / "@jupyterlab"
    for name, content in (
        ("notebook-extension/tracker", '{"windowingMode": "none"}'),
        ("apputils-extension/notification", '{"fetchNews": "false"}'),
    ):
        path = settings / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(content)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", f"--IdentityProvider.token={TOKEN}"]
    with (root / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=root / "notebooks",
            stdout=log,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "HOME": str(root),
                "LLZO_RESULTS": str(root / "results"),
                "PYTHONPATH": str(root),
            },
        )
    # a workspace of its own for each notebook: the last one's tabs stay closed
    address = f"http://127.0.0.1:{port}/lab/workspaces/{{0}}/tree/{{0}}.ipynb?token={TOKEN}"
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
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"],
        )
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


def run_all(page: Page, address: str, seconds: float) -> None:
    """Open a notebook, run all its cells and wait until the last has run; no error may show."""
    page.goto(address)
    page.locator(".jp-Notebook").wait_for(timeout=60_000)
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


def test_structures_with_a_viewer_and_sliders(page: Page, lab: str):
    run_all(page, lab.format("01_generate"), 90)
    page.locator(".jp-OutputArea canvas").first.wait_for(timeout=30_000)
    page.get_by_text("Li X", exact=True).first.wait_for()
    page.get_by_text("V / V_exp", exact=True).first.wait_for()


def test_a_run_started_from_the_panel(page: Page, lab: str):
    run_all(page, lab.format("02_run_md"), 180)
    page.locator("button.jupyter-button", has_text="Run").click(timeout=60_000)
    page.get_by_text("steps/s").first.wait_for(timeout=60_000)
    page.get_by_text("done: ").first.wait_for(timeout=120_000)
    page.locator(".jupyter-widgets .js-plotly-plot").first.wait_for(timeout=30_000)


def test_a_campaign_started_and_cancelled_from_the_panel(page: Page, lab: str):
    """In notebook 02 as the test before left it; a run chosen, met at work, and cancelled."""
    start_and_cancel(page)


def test_a_campaign_on_slurm_from_the_panel(page: Page, lab: str, project: Path):
    try:
        with running_slurm(cpus=2):
            page.locator(".jupyter-widgets select").nth(1).select_option("slurm")
            start_and_cancel(page, by="Slurm job")
            jobs = subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True)
            assert jobs.stdout == ""
    except NoSlurmError as error:
        pytest.skip(f"no Slurm: {error}")


def test_a_trajectory_of_any_program_chosen_in_the_panel(page: Page, lab: str, project: Path):
    """Its first frame is seen, and its D is the one that the notebook's table gives."""
    run_all(page, lab.format("03_diffusion"), 240)
    file = project / "data/example_uo2/uo2_3000K.dump.gz"
    path = page.get_by_placeholder("path", exact=True)
    # offered as one types
    names = path.get_attribute("list")
    assert page.locator(f'datalist[id="{names}"] option[value="{file}"]').count() == 1
    path.fill(str(file))
    page.get_by_label("elements", exact=True).fill("1: U, 2: O")
    interval = page.get_by_label("ps per frame")
    interval.fill("0.2")
    interval.press("Tab")
    panel = page.locator(".widget-vbox", has=path).last
    panel.get_by_role("button", name="Open").click()
    panel.get_by_text("200 frames, 0.2 ps apart, O216U108").wait_for(timeout=60_000)
    panel.get_by_text("nearest image").wait_for()

    view = panel.locator("canvas").first
    view.wait_for(timeout=30_000)
    deadline = time.monotonic() + 60
    while colours(view) < 100:
        assert time.monotonic() < deadline, "no atoms are drawn"
        time.sleep(1)

    panel.locator("select[multiple]").select_option("O")
    panel.get_by_role("button", name="Analyse").click()
    panel.get_by_text("D = 1.").wait_for(timeout=60_000)
    curve = panel.locator(".js-plotly-plot .scatterlayer .js-line").first
    curve.wait_for(timeout=30_000)
    drawn = curve.bounding_box()
    assert drawn
    assert min(drawn["width"], drawn["height"]) > 50


def colours(view: Locator) -> int:
    """Count the colours that an element shows: atoms are spheres, shaded."""
    shown = Image.open(io.BytesIO(view.screenshot())).convert("RGB")
    return len(shown.getcolors(shown.width * shown.height))


def start_and_cancel(page: Page, by: str = "") -> None:
    page.locator(".jupyter-widgets select").first.select_option("smoke")
    table = page.locator(".llzo-runs")
    table.get_by_text("waiting").first.wait_for()
    page.locator(".jupyter-widgets select[multiple]").select_option(index=[0])
    page.locator("button.jupyter-button", has_text="Start").click()
    table.get_by_text("running").wait_for(timeout=120_000)
    table.get_by_text(by).first.wait_for()
    page.locator("button.jupyter-button", has_text="Cancel").click()
    # the table follows by itself until the engine has ended
    page.locator("button.jupyter-button:enabled", has_text="Start").wait_for(timeout=60_000)
    assert table.get_by_text("running").count() == 0
