"""
Which file an import means.

Specifiers are resolved when the program is built, never in the guest: ``./x`` is x.ts, x.mts, x.js, x.mjs, x.json
or x/index.*, ``./x.js`` may be x.ts, ``./billing.py`` is a file of steps; tsconfig.json may have aliases.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path

from torpor.errors import ConfigurationError
from torpor.programs.javascript.aliases import Aliases

SCRIPT_SUFFIXES = (".ts", ".mts", ".js", ".mjs")
BUILTIN = "workflow"

_REFUSED_SUFFIXES = (".tsx", ".jsx", ".cjs", ".cts")  # found, to say why they cannot be imported

_TYPESCRIPT_TWIN = {".js": ".ts", ".mjs": ".mts"}
_NODE_MODULES = frozenset(
    {
        "assert",
        "buffer",
        "child_process",
        "cluster",
        "crypto",
        "dns",
        "events",
        "fs",
        "http",
        "http2",
        "https",
        "net",
        "os",
        "path",
        "perf_hooks",
        "process",
        "querystring",
        "readline",
        "stream",
        "string_decoder",
        "timers",
        "tls",
        "tty",
        "url",
        "util",
        "v8",
        "vm",
        "worker_threads",
        "zlib",
    }
)


def module_name(root: Path, file: Path) -> str:
    """
    Return a file's module name, such as ``./flows/checkout.js``.

    Args:
        root: the project root, resolved.
        file: an absolute path, resolved.

    Raises:
        ConfigurationError: the file lies outside the root.
    """
    if not file.is_relative_to(root):
        raise ConfigurationError(f"{file} lies outside the project root {root}; move it there or choose another root")
    return f"./{file.relative_to(root).as_posix()}"


@dataclass(frozen=True, slots=True)
class Resolver:
    """
    Finds the files that imports mean.

    Attributes:
        root: the project root, resolved.
        aliases: of the project's tsconfig.json.
    """

    root: Path
    aliases: Aliases

    def resolve(self, importer: str, line: int, specifier: str) -> Path:
        """
        Return the file that *specifier* means in module *importer*.

        Raises:
            ConfigurationError: a package, an unsupported kind of file, outside the root, or missing; names file
                and line.
        """
        where = f"{importer}:{line}: cannot import {specifier!r}"
        targets = self.aliases.targets(specifier)
        if specifier.startswith(("./", "../")) or specifier in (".", ".."):
            targets = [posixpath.normpath(posixpath.join(posixpath.dirname(importer), specifier))]
        elif not targets:
            raise ConfigurationError(f"{where}: {_advice(specifier)}")
        inside = [target for target in targets if not target.startswith(("../", "/"))]
        if not inside:
            raise ConfigurationError(f"{where}: it leads out of the project root {self.root}")
        for candidate in [name for target in inside for name in _candidates(target)]:
            if (file := self.root / candidate).is_file():
                if candidate.endswith((*SCRIPT_SUFFIXES, ".json", ".py")):
                    return file
                raise ConfigurationError(f"{where}: {kind_advice(candidate)}")
        raise ConfigurationError(f"{where}: there is no file {' or '.join(str(self.root / name) for name in inside)}")


def kind_advice(file: str) -> str:
    """Return what to do about a file that workflow code can neither be nor import."""
    match posixpath.splitext(file)[1]:
        case ".tsx" | ".jsx":
            return (
                "JSX is not part of JavaScript, and workflow code shows nothing; keep what it needs in a .ts or .js "
                "file, and components elsewhere"
            )
        case ".cjs" | ".cts":
            return "workflow code consists of ES modules; write it with import and export, in a .js or .ts file"
        case _:
            return "workflow code is written in .js, .mjs, .ts and .mts files, and may import .json and .py (its steps)"


def _candidates(target: str) -> list[str]:
    stem, suffix = posixpath.splitext(target)
    twin = [stem + _TYPESCRIPT_TWIN[suffix]] if suffix in _TYPESCRIPT_TWIN else []
    named = [target + ending for ending in (*SCRIPT_SUFFIXES, ".json")]
    indexes = [f"{target}/index{ending}" for ending in SCRIPT_SUFFIXES]
    return [target, *twin, *named, *indexes, *(target + ending for ending in _REFUSED_SUFFIXES)]


def _advice(specifier: str) -> str:
    if specifier.startswith("torpor:"):
        return "names beginning with `torpor:` are reserved"
    if specifier.startswith("workflow/"):
        return "workflow code imports from 'workflow' alone"
    if specifier.startswith("node:") or specifier.partition("/")[0] in _NODE_MODULES:
        return "Node's own modules do not exist in workflow code; use it in a step, or a web API that the guest has"
    if specifier.startswith("/") or "://" in specifier:
        return "write a path relative to the file, such as './orders.js'"
    return (
        f"packages are not installed in the guest; bundle {specifier!r} into a file of the project, use it in a step, "
        f"or write './{specifier}' if a file is meant"
    )
