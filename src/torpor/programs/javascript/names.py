"""
Names that only types use: they are left out of what a TypeScript module imports and exports.

So does the TypeScript compiler unless it is told otherwise. A module that an import names may exist for types alone,
and what it exports may be a type, so that keeping them would be an error when the program is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from torpor.programs.javascript.edits import Edits
from torpor.programs.javascript.expansion import Expansion
from torpor.programs.javascript.nodes import text_of


class Names:
    """
    The names of one module; whoever walks through it fills the attributes, and calls :meth:`leave_out` then.

    Args:
        edits: of the module.
        expansion: writes out what an alias stands for.

    Attributes:
        used: names that occur as values.
        types: names that types of this module have.
        values: names that its classes, functions, enums and namespaces have.
        imports, exports: statements that import or export by name.
        aliases: ``import X = A.B``.
    """

    def __init__(self, edits: Edits, expansion: Expansion) -> None:
        self._edits = edits
        self._expansion = expansion
        self.used: set[str] = set()
        self.types: set[str] = set()
        self.values: set[str] = set()
        self.imports: list[Node] = []
        self.exports: list[Node] = []
        self.aliases: list[Node] = []

    def leave_out(self, root: Node) -> None:
        """Leave names out, once all of the module has been walked through."""
        variables = {text_of(name) for name in _bound_names(root)}
        self._leave_out_of_exports(self.types - self.values - variables)
        self._leave_out_of_imports()

    def _leave_out_of_exports(self, only_types: set[str]) -> None:
        for node in self.exports:
            value = node.child_by_field_name("value")
            if value is not None:
                if value.type == "identifier" and text_of(value) in only_types:
                    self._edits.blank(node.start_byte, node.end_byte)
                continue
            self._leave_out_specifiers(node, only_types)

    def _leave_out_specifiers(self, node: Node, only_types: set[str]) -> None:
        is_local = node.child_by_field_name("source") is None
        clause = next(child for child in node.children if child.type == "export_clause")
        specifiers = [child for child in clause.children if child.type == "export_specifier"]
        left = 0
        for specifier in specifiers:
            name = specifier.child_by_field_name("name")
            is_type = any(child.type == "type" for child in specifier.children)
            if name is None or is_type or (is_local and text_of(name) in only_types):
                self._leave_out_of_list(specifier)
                continue
            left += 1
            if is_local:
                self.used.add(text_of(name))
        if specifiers and not left:
            self._edits.blank(node.start_byte, node.end_byte)

    def _leave_out_of_imports(self) -> None:
        """Leave out of imports what only types use; of statements that have nothing else, all."""
        aliases = list(self.aliases)
        while used := [alias for alias in aliases if self._alias_is_used(alias)]:
            for alias in used:
                aliases.remove(alias)
                self.used.add(text_of(_alias_target(alias)).partition(".")[0])
                self._expansion.alias(alias)
        for alias in aliases:
            exported = alias.parent if alias.parent is not None and alias.parent.type == "export_statement" else alias
            self._edits.blank(exported.start_byte, exported.end_byte)
        for node in self.imports:
            clause = next(child for child in node.children if child.type == "import_clause")
            names = list(_imported_names(clause))
            unused = [part for part, local in names if local not in self.used]
            if names and len(unused) == len(names):
                self._edits.blank(node.start_byte, node.end_byte)
                continue
            for part in unused:
                self._leave_out_of_list(part)

    def _alias_is_used(self, alias: Node) -> bool:
        return self._expansion.is_exported(alias) or text_of(_alias_name(alias)) in self.used

    def _leave_out_of_list(self, node: Node) -> None:
        following = node.next_sibling
        if following is not None and following.type == ",":
            self._edits.blank(node.start_byte, following.end_byte)
        else:
            preceding = node.prev_sibling
            is_clause = node.parent is not None and node.parent.type == "import_clause"
            start = preceding if is_clause and preceding is not None and preceding.type == "," else node
            self._edits.blank(start.start_byte, node.end_byte)


def _bound_names(root: Node) -> Iterator[Node]:
    for statement in root.children:
        declaration = statement.child_by_field_name("declaration") or statement
        if declaration.type in ("lexical_declaration", "variable_declaration"):
            for declarator in declaration.named_children:
                name = declarator.child_by_field_name("name")
                if name is not None:
                    yield name


def _imported_names(clause: Node) -> Iterator[tuple[Node, str]]:
    """Yield the parts of an import clause, each with the local name that it gives, which is empty for types."""
    for child in clause.children:
        if child.type == "identifier":
            yield child, text_of(child)
        elif child.type == "namespace_import":
            yield child, text_of(child.named_children[-1])
        elif child.type == "named_imports":
            for specifier in child.named_children:
                if specifier.type == "import_specifier":
                    is_type = any(part.type == "type" for part in specifier.children)
                    name = specifier.child_by_field_name("alias") or specifier.child_by_field_name("name")
                    yield specifier, "" if is_type or name is None else text_of(name)


def _alias_name(alias: Node) -> Node:
    return alias.named_children[0]


def _alias_target(alias: Node) -> Node:
    return alias.named_children[1]
