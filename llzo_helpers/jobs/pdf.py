"""PDF of drawings: a browser prints the SVG, much faster than it draws a figure again."""

import asyncio
import base64
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from llzo_helpers.errors import InputError
from llzo_helpers.files import written_aside
from llzo_helpers.jobs.cpus import usable_cpus

_PATIENCE_S = 60
"""For one drawing."""


def print_drawings(drawings: Mapping[Path, Path]) -> None:
    """Print drawings.

    Parameters
    ----------
    drawings
        By the path of each PDF that is to be written, the SVG of it, whose size is in pixels.

    Raises
    ------
    InputError
        If the browser does not print one in time.
    """
    # JupyterLab has a loop of its own in this thread
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _print(drawings)).result()


async def _print(drawings: Mapping[Path, Path]) -> None:
    import choreographer
    from choreographer.utils import TmpDirectory

    async with choreographer.Browser(headless=True) as browser:
        # a browser in a container sees some folders only
        folder = TmpDirectory(sneak=browser.is_isolated())
        # a page on each core
        n = usable_cpus()
        shares = [list(drawings.items())[first::n] for first in range(min(n, len(drawings)))]
        try:
            await asyncio.gather(
                *(
                    _print_share(browser, Path(folder.path) / f"{number}.html", share)
                    for number, share in enumerate(shares)
                )
            )
        finally:
            folder.clean()


async def _print_share(browser: Any, page: Path, share: list[tuple[Path, Path]]) -> None:
    tab = await browser.create_tab("about:blank")
    await tab.send_command("Page.enable")
    for path, svg in share:
        page.write_text(_as_page(svg.read_text(encoding="utf-8")), encoding="utf-8")
        try:
            content = await asyncio.wait_for(_printed(tab, page), _PATIENCE_S)
        except (TimeoutError, LookupError):
            raise InputError(
                f"{path}: not printed by the browser; try again when the machine has less to do"
            ) from None
        with written_aside(path) as aside:
            aside.write_bytes(content)


async def _printed(tab: Any, page: Path) -> bytes:
    loaded = tab.subscribe_once("Page.loadEventFired")
    await tab.send_command("Page.navigate", {"url": page.as_uri()})
    await loaded
    answer = await tab.send_command(
        "Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True}
    )
    return base64.b64decode(answer["result"]["data"])


def _as_page(svg: str) -> str:
    """Return an HTML page that is as large as a drawing."""
    tag = svg.partition(">")[0]
    width, height = (re.findall(rf'\b{side}="([\d.]+)"', tag)[0] for side in ("width", "height"))
    style = f"@page{{margin:0;size:{width}px {height}px}}body{{margin:0}}svg{{display:block}}"
    return f'<!DOCTYPE html><meta charset="utf-8"><style>{style}</style>{svg}'
