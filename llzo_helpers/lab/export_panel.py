"""A panel that writes figures as files for a manuscript, with their numbers."""

from pathlib import Path

import ipywidgets as widgets

from llzo_helpers.campaign.model import Campaign
from llzo_helpers.errors import InputError
from llzo_helpers.jobs.export import FORMATS, WIDTHS_CM, export_figures, figure_files
from llzo_helpers.lab.shown import say


def export_panel(campaign: Campaign) -> widgets.VBox:
    """Return a choice of figures, formats and width, and a button that writes them.

    Parameters
    ----------
    campaign
        Whose notebooks have left figures in `results/<campaign>/figures`; all are chosen at first.
    """
    names = [path.stem for path in figure_files(campaign)]
    chosen = widgets.SelectMultiple(options=names, value=names, description="figures", rows=8)
    chosen.layout.width = "60%"
    formats = [widgets.Checkbox(value=True, description=name, indent=False) for name in FORMATS]
    width = widgets.Dropdown(
        options=[(f"{cm} cm", columns) for columns, cm in WIDTHS_CM.items()],
        value=2,
        description="width",
    )
    button = widgets.Button(description="Export", button_style="primary", icon="download")
    status = widgets.HTML()

    def on_export(_: widgets.Button) -> None:
        if not chosen.value:
            say(status, "choose a figure")
            return
        button.disabled = True
        say(status, "drawing")
        try:
            wanted = [box.description for box in formats if box.value]
            files = export_figures(campaign, wanted, columns=width.value, names=chosen.value)
            say(status, f"{len(files)} files in {_folder(files)}")
        except InputError as error:
            say(status, str(error))
        finally:
            button.disabled = False

    button.on_click(on_export)
    choices = widgets.HBox([*formats, width, button])
    return widgets.VBox([chosen, choices, status])


def _folder(files: list[Path]) -> Path:
    return files[0].parent
