"""
Makes a program from an application's Python workflows.

The modules that define workflows go in, with the project modules that they need, as source. Of a module goes in what
workflow code can reach, statement by statement at module level:

* *A statement goes in when it defines a name that the workflow reaches, or acts on one.* ``app = …``, ``def``,
  ``class`` and ``import`` define names; ``table[key] = …``, ``handlers.append(…)`` and a ``for`` that fills a table act
  on the name that they begin with; ``@handlers.register`` above a function does so, and a call acts on what it is
  given and on what the body of the called function acts on, in other modules too
  (:mod:`~torpor.programs.python.effects`). An ``if``, ``try``, ``with`` or loop at module level is one statement,
  with all the names in it. ``from x import *`` keeps the whole of ``x``. An import of a project module that nothing
  mentions stands there for what the module does when it is loaded, so it goes in.
* Reached are: workflow functions, what reached statements name (annotations too), and every class of a module from
  which anything is reached, because its instances may arrive as values; for the same reason ``torpor.register(…)``.
* Steps that are reached become proxies: their bodies, defaults and decorators stay outside.
* ``if __name__ == "__main__":``, ``asyncio.run(…)`` and statements that act on the application itself start or set up
  programs on the host; they stay outside, as do the arguments of ``Torpor(…)``.

What goes in stays on its lines, so that tracebacks need no map; comments and all that stays outside become blank. So a
program changes when something in it changes or moves, and not when a step's body does.

:mod:`~torpor.programs.python.builder` decides what is reached, :mod:`~torpor.programs.python.finding` where a
module comes from.
"""

from torpor.programs.python.builder import Bundle, Definition, build_bundle
from torpor.programs.python.carried import carried_packages

__all__ = ["Bundle", "Definition", "build_bundle", "carried_packages"]
