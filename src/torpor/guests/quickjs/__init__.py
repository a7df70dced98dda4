"""The JavaScript guest: QuickJS-NG with the web's URL, text encoding, headers, crypto and structured clone."""

from torpor.guests.quickjs.guest import QuickJS
from torpor.vm.limits import Limits

__all__ = ["Limits", "QuickJS"]
