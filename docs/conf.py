"""How the documentation is built, by `make docs`."""

import os
import sys
from pathlib import Path

# functions that numba compiles are documented as the Python functions that they are
os.environ["NUMBA_DISABLE_JIT"] = "1"
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import results_page
import tutorials

import llzo_helpers

project = "llzo-notebooks"
author = "The authors of llzo-notebooks"
version = release = llzo_helpers.__version__
language = "en_GB"

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    # of this project, in _ext/
    "api_pages",
    "formulas",
    "signatures",
    "tutorials",
]
exclude_patterns = ["_ext"]

myst_enable_extensions = ["colon_fence", "dollarmath", "substitution"]
myst_heading_anchors = 3
myst_substitutions = {
    "shown": tutorials.shown(),
    "found": results_page.found(),
    "gallery": results_page.gallery(),
    "claims": results_page.claims(),
}
# notebooks show what they were last run with; a build runs nothing
nb_execution_mode = "off"
nb_merge_streams = True

# training needs packages that the lock does not hold
autodoc_mock_imports = ["pytorch_optimizer", "torch"]
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # `signatures` writes them as the source does
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
# numpydoc brings it; it would import every module once more, in any order, with torch mocked
autosummary_generate = False
default_role = "py:obj"
# a name of this package that does not exist is an error; names of other packages are not looked for
nitpicky = True
suppress_warnings = ["ref.python"]  # short names of which the package has two
nitpick_ignore_regex = [(r"py:.*", r"(?!llzo_helpers\.).*")]

html_theme = "pydata_sphinx_theme"
html_title = "llzo-notebooks"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "collapse_navigation": True,
    "footer_end": [],
    "footer_start": ["copyright"],
    "header_links_before_dropdown": 8,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
}
# the reference has bread crumbs instead: to draw its tree on each page takes a minute
html_sidebars = {page: [] for page in ("index", "start", "names", "api/*")}
