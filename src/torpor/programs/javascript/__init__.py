"""Makes a program from an application's JavaScript and TypeScript workflows."""

from torpor.programs.javascript.builder import build_program, workflow_signature

__all__ = ["build_program", "workflow_signature"]
