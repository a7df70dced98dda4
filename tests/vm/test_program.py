"""The stored form of programs, by which they are found."""

from __future__ import annotations

import msgspec

from torpor.vm.guest import Program, program_bytes, program_id

OF_0_1_0 = Program("quickjs", "build", {"./a.js": "1"}, ["./a.js"], {"workflow//./a.js//a": ("./a.js", "a")})


def test_a_program_of_version_0_1_0_keeps_its_address() -> None:
    """Images that were stored with it name it, though programs say more since then."""
    assert program_bytes(OF_0_1_0) == (
        b'{"absent":{},"build":"build","entries":["./a.js"],"files":{"./a.js":"1"},"guest":"quickjs","line_maps":{},'
        b'"modules":{},"workflows":{"workflow//./a.js//a":["./a.js","a"]}}'
    )


def test_the_steps_of_a_program_are_part_of_it() -> None:
    """A step that takes something else makes another program, which says so when it is read again."""
    one, other = (msgspec.structs.replace(OF_0_1_0, steps={"step//./s.py//s": text}) for text in ("(a)", "(a, b)"))

    assert len({program_id(OF_0_1_0), program_id(one), program_id(other)}) == 3
    assert msgspec.json.decode(program_bytes(one), type=Program) == one
