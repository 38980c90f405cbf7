"""A panel that starts the runs of a campaign, follows and cancels them."""

import subprocess
import threading
import time
from html import escape
from typing import Any

import ipywidgets as widgets
import pandas as pd

from llzo_helpers.campaign.archive import open_campaign
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.errors import InputError
from llzo_helpers.jobs import control
from llzo_helpers.lab.shown import say
from llzo_helpers.md.lock import holder
from llzo_helpers.paths import PARAMETERS


def campaign_panel(campaign_name: str = "quick") -> widgets.VBox:
    """Return a table of a campaign's runs, with buttons to start and cancel them.

    A separate process makes the runs: closing the browser or the kernel stops nothing, and a new
    panel shows them again.
    """
    names = sorted(path.stem for path in PARAMETERS.glob("*.yaml"))
    campaign = widgets.Dropdown(options=names, value=campaign_name, description="campaign")
    profile = widgets.Dropdown(options=["local", "slurm"], description="where")
    chosen = widgets.SelectMultiple(description="only", rows=6, layout={"width": "80%"})
    start_button = widgets.Button(description="Start", button_style="primary", icon="play")
    cancel_button = widgets.Button(description="Cancel", icon="stop", disabled=True)
    refresh_button = widgets.Button(description="Refresh", icon="refresh")
    status = widgets.HTML()
    table = widgets.HTML()
    engines: dict[str, subprocess.Popen[bytes]] = {}

    def refuse(error: InputError) -> None:
        """Show an error, and nothing of what was shown before."""
        say(status, str(error))
        table.value, chosen.options = "", ()
        start_button.disabled = cancel_button.disabled = True

    def refresh(*_: Any) -> None:
        try:
            selected = load_campaign(campaign.value)
            shown = control.run_table(selected)
            controller = holder(selected.directory)
        except InputError as error:
            refuse(error)
            return
        names = tuple(shown["run"])
        if chosen.options != names:
            chosen.options = names
        counts = shown["state"].value_counts()
        told = ", ".join(f"{count} {state}" for state, count in counts.items())
        say(status, told or "no molecular dynamics to run: Start analyses its trajectories")
        table.value = _runs_html(shown, control.last_words(selected))
        engine = engines.get(campaign.value)
        starting = engine is not None and engine.poll() is None
        start_button.disabled = starting or controller is not None
        # a killed engine may have left runs behind
        cancel_button.disabled = not (start_button.disabled or "running" in counts)

    def watch() -> None:
        """Refresh as long as there is something to cancel."""
        while not cancel_button.disabled:
            time.sleep(5)
            refresh()

    def on_start(button: widgets.Button) -> None:
        name = campaign.value
        try:
            engines[name] = control.start(name, profile=profile.value, only=chosen.value)
        except InputError as error:
            say(status, str(error))
            return
        begin()

    def on_cancel(button: widgets.Button) -> None:
        try:
            control.cancel(load_campaign(campaign.value))
            say(status, "cancelling")
        except InputError as error:
            say(status, str(error))

    def choose(*_: Any) -> None:
        """Show another campaign: a shipped one with the results that it came with."""
        say(status, "opening")
        try:
            open_campaign(campaign.value)
        except InputError as error:
            refuse(error)
            return
        begin()

    def begin(*_: Any) -> None:
        watched = not cancel_button.disabled
        refresh()
        if not watched:
            threading.Thread(target=watch, daemon=True).start()

    campaign.observe(choose, names="value")
    refresh_button.on_click(begin)
    start_button.on_click(on_start)
    cancel_button.on_click(on_cancel)
    choose()
    buttons = widgets.HBox([start_button, cancel_button, refresh_button, status])
    return widgets.VBox([widgets.HBox([campaign, profile]), chosen, buttons, table])


_STATE_COLOURS = {
    "failed": "var(--jp-error-color1)",
    "running": "var(--jp-brand-color1)",
    "waiting": "var(--jp-ui-font-color2)",
    "done": "var(--jp-success-color1)",
}


def _runs_html(table: pd.DataFrame, last_words: str = "") -> str:
    """Return the runs as an HTML table, failed and running ones first; all text is escaped."""
    order = list(_STATE_COLOURS)
    table = table.sort_values("state", key=lambda states: states.map(order.index), kind="stable")
    rows = "".join(
        f"<tr><td>{escape(row['run'])}</td>"
        f'<td style="color:{_STATE_COLOURS[row["state"]]}">{row["state"]}</td>'
        f'<td><progress value="{row["progress"]}"></progress> {row["progress"]:.0%}</td>'
        f"<td>{'' if pd.isna(row['steps_per_second']) else round(row['steps_per_second'])}</td>"
        f"<td>{escape(row['reason'])}</td></tr>"
        for row in table.to_dict("records")
    )
    return (
        "<style>.llzo-runs td, .llzo-runs th"
        "{text-align:left; line-height:1.6; padding-right:1.5em; white-space:nowrap}"
        ".llzo-runs td:last-child{white-space:normal}"
        ".llzo-runs progress{width:6em}</style>"
        '<div class="llzo-runs" style="max-height:30em; overflow:auto"><table>'
        "<tr><th>run</th><th>state</th><th>progress</th><th>steps/s</th>"
        "<th>process or reason</th></tr>"
        f"{rows}</table></div><code>{escape(last_words)}</code>"
    )
