"""
Path aliases of TypeScript projects: ``"paths"`` in tsconfig.json (https://www.typescriptlang.org/tsconfig/#paths).

The file is JSON with comments and trailing commas, so it is read as the JavaScript expression that it also is, and
only literals count. Configurations that it extends are not read.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from torpor.errors import ConfigurationError

FILE = "tsconfig.json"

_LANGUAGE = Language(tree_sitter_javascript.language())
_WORDS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Aliases:
    """
    What specifiers stand for.

    Attributes:
        base: folder that the targets are relative to, itself relative to the project root.
        paths: pattern, with at most one ``*``, → targets to try in order.
    """

    base: str = "."
    paths: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def targets(self, specifier: str) -> list[str]:
        """Return the paths, relative to the root, that *specifier* may mean; none when no pattern fits."""
        best: tuple[int, str, tuple[str, ...]] | None = None
        for pattern, targets in self.paths:
            before, star, after = pattern.partition("*")
            if specifier == pattern and not star:
                best = (len(specifier) + 1, "", targets)
            elif star and len(specifier) >= len(before) + len(after):
                fits = specifier.startswith(before) and specifier.endswith(after)
                if fits and (best is None or len(before) > best[0]):
                    best = (len(before), specifier[len(before) : len(specifier) - len(after)], targets)
        if best is None:
            return []
        _, middle, targets = best
        return [posixpath.normpath(posixpath.join(self.base, target.replace("*", middle, 1))) for target in targets]


def read_aliases(root: Path) -> Aliases:
    """
    Return the aliases of the project at *root*; none without a tsconfig.json.

    Raises:
        ConfigurationError: the file is not what TypeScript would read.
    """
    try:
        text = (root / FILE).read_text("utf-8-sig")
    except FileNotFoundError:
        return Aliases()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {FILE}: {error}") from error
    options = _object(_object(_parse(text)).get("compilerOptions"))
    paths = {pattern: tuple(map(str, targets)) for pattern, targets in _object(options.get("paths")).items()}
    return Aliases(str(options.get("baseUrl", ".")), tuple(paths.items()))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _parse(text: str) -> Any:
    tree = Parser(_LANGUAGE).parse(f"({text})".encode()).root_node
    found = next((node for node in tree.named_children if node.type == "expression_statement"), None)
    if tree.has_error or found is None:
        raise ConfigurationError(f"{FILE} is not valid JSON")
    return _value(found)


def _value(node: Node) -> Any:
    text = (node.text or b"").decode()
    children = [child for child in node.named_children if child.type != "comment"]
    match node.type:
        case "expression_statement" | "parenthesized_expression":
            return _value(children[0])
        case "object":
            pairs = [[part for part in child.named_children if part.type != "comment"] for child in children]
            return {_value(key): _value(value) for key, value in pairs}
        case "array":
            return [_value(child) for child in children]
        case "true" | "false" | "null":
            return _WORDS[text]
        case "string" | "number":
            return json.loads(text)
        case _:
            raise ConfigurationError(f"{FILE}:{node.start_point.row + 1}: {text!r} is not JSON")
