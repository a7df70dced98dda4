"""The JavaScript guest: QuickJS-NG with the web's URL, text encoding, headers, crypto and structured clone."""

from torpor.vm.limits import Limits
from torpor.vm.quickjs.guest import QuickJS

__all__ = ["Limits", "QuickJS"]
