"""
Names of system errors that the VM's own system does not have: errors with such numbers come from steps.

They get numbers that nothing in the VM uses, as any system does; the codec translates them by their names.
"""

from __future__ import annotations

import errno
from typing import Any

_FIRST = 1000

_NAMES = (
    "EADV EBADE EBADFD EBADR EBADRQC EBADSLT EBFONT ECHRNG ECOMM EDEADLOCK EDOTDOT EHOSTDOWN EISNAM EKEYEXPIRED"
    " EKEYREJECTED EKEYREVOKED EL2HLT EL2NSYNC EL3HLT EL3RST ELIBACC ELIBBAD ELIBEXEC ELIBMAX ELIBSCN ELNRNG"
    " EMEDIUMTYPE ENAVAIL ENOANO ENOCSI ENODATA ENOKEY ENOMEDIUM ENONET ENOPKG ENOSR ENOSTR ENOTBLK ENOTNAM"
    " ENOTUNIQ EPFNOSUPPORT EREMCHG EREMOTE EREMOTEIO ERESTART ERFKILL ESHUTDOWN ESOCKTNOSUPPORT ESRMNT ESTRPIPE"
    " ETIME ETOOMANYREFS EUCLEAN EUNATCH EUSERS EXFULL"
)
"""Those of Linux; new ones are put at the end, as their place tells their number."""


def install() -> None:
    """Give them numbers."""
    known: Any = errno.errorcode  # a dict
    for number, name in enumerate(_NAMES.split(), _FIRST):
        if not hasattr(errno, name):
            setattr(errno, name, number)
            known[number] = name
