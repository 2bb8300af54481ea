"""Sphinx configuration, ``make docs``. The site makes no request: it is read without a network."""

import importlib.metadata
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_extensions"), str(HERE.parent)]

import madtheory  # noqa: E402

project = "madtheory"
author = "The madtheory developers"
version = release = madtheory.__version__
html_title = f"madtheory {version}"

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "docstrings",
    "gallery",
    "live_page",
    "theory_links",
]
templates_path = ["_templates"]
exclude_patterns = ["build"]
default_role = "py:obj"
root_doc = "index"

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 120

autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_typehints = "none"
autodoc_mock_imports = ["torch", "zuko", "safetensors", "diffusers", "accelerate", "hypothesis"]
add_module_names = False
numpydoc_show_class_members = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# One file, found where pip put it; the menu of MathJax would ask for more of them.
MATHJAX = next(
    Path(str(file.locate())).resolve()
    for file in importlib.metadata.files("sphinx-mathjax-offline") or ()
    if str(file).endswith("mathjax/tex-svg.js")
)
html_static_path = ["_static", str(MATHJAX)]
mathjax_path = "tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}}

html_theme = "pydata_sphinx_theme"
html_css_files = ["madtheory.css"]
html_show_sourcelink = False
html_show_search_summary = False  # the summaries are fetched, which browsers refuse to pages without a server
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "header_links_before_dropdown": 7,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": []}
copyright = "The madtheory developers, BSD-3-Clause"
