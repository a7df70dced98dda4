"""How the documentation becomes a site: ``make docs``. See docs/adr/0073."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx
from typer.testing import CliRunner

from torpor.cli import COMMANDS
from torpor.cli import app as command_line

_HERE = Path(__file__).parent
_COMMANDS = _HERE / "commands.md"

project = "Torpor"
author = "The Torpor authors"
version = release = installed_version("torpor")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
nitpicky = False  # annotations name private types, too
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = "Torpor"
html_static_path: list[str] = []
html_show_sphinx = False
copybutton_exclude = ".linenos, .gp, .go"


def _write_commands(_app: Sphinx) -> None:
    """Write the page of commands: what each says of itself with ``--help``."""
    page = ["# Commands", "What `torpor COMMAND --help` says, all on one page."]
    for name in COMMANDS:
        told = CliRunner(env={"COLUMNS": "100"}).invoke(command_line, [*name.split(), "--help"])
        page += [f"## torpor {name}", f"```text\n{told.stdout.strip()}\n```"]
    text = "\n\n".join(page) + "\n"
    if not _COMMANDS.exists() or _COMMANDS.read_text(encoding="utf-8") != text:
        _COMMANDS.write_text(text, encoding="utf-8")


def _write_for_models(app: Sphinx, error: Exception | None) -> None:
    """Write ``llms.txt``, a list of the pages, and ``llms-full.txt``, the text of all of them: see llmstxt.org."""
    if error is not None:
        return
    names = [name for name in sorted(app.env.found_docs) if not name.startswith("adr/")]
    texts = [(_HERE / f"{name}.md").read_text(encoding="utf-8") for name in names]
    titles = [app.env.titles[name].astext() for name in names]
    pages = "\n".join(f"- [{title}]({name}.html)" for name, title in zip(names, titles, strict=True))
    summary = "> Durable workflows in Python and JavaScript that fall asleep and wake exactly where they were."
    (Path(app.outdir) / "llms.txt").write_text(f"# Torpor\n\n{summary}\n\n## Pages\n\n{pages}\n", encoding="utf-8")
    (Path(app.outdir) / "llms-full.txt").write_text("\n\n".join(texts), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Make the page of commands before pages are read, and the texts for language models when they are written."""
    app.connect("builder-inited", _write_commands)
    app.connect("build-finished", _write_for_models)
