"""The command: ``python -m conformance [MODULE…]``."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from conformance.driver import LIMITS, Outcome, outcomes
from conformance.expected import REASONS, expected, verdict, write
from conformance.modules import ALL
from conformance.testsuite import FetchError, cpython_tests
from torpor.guests.cpython import CPython


def main(arguments: list[str]) -> int:
    """Run modules, tell what came out, and return how the process is to end: 1 when something new fails."""
    parser = argparse.ArgumentParser(
        "python -m conformance", description="Run CPython's own tests in the Python guest."
    )
    parser.add_argument("module", nargs="*", help="such as test_json or test_asyncio.test_locks; all without any")
    parser.add_argument("--write", action="store_true", help="take what fails now as what is expected")
    options = parser.parse_args(arguments)
    modules = [f"test.{name.removeprefix('test.')}" for name in options.module] or ALL
    guest = CPython(limits=LIMITS, pool_size=1)
    guest.prepare()
    try:
        folder = cpython_tests(guest.boot_path.parent)
    except FetchError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"tests of {folder} in CPython {guest.version}")
    total, new = Counter[str](), 0
    for module in modules:
        begun = time.perf_counter()
        found = list(outcomes(guest, folder, module))
        if options.write:
            write(module, found)
        new += _tell(module, found, time.perf_counter() - begun, total)
    guest.close()
    reasons = ", ".join(f"{word} {count}" for word, count in total.most_common() if word in REASONS)
    print(f"\n{total['passed']} passed, {total['skipped']} skipped, {total['known']} fail as expected ({reasons})")
    print(f"{new} new failures" if new else "no new failures")
    return 1 if new else 0


def _tell(module: str, found: list[Outcome], seconds: float, total: Counter[str]) -> int:
    known = expected(module)
    told = verdict(known, found)
    counts = Counter(each.outcome for each in found)
    failed = counts["failed"] + counts["ended"]
    as_expected = failed - len(told.new)
    known_text = f"{counts['skipped']:>4} skipped {as_expected:>4} expected"
    print(f"{module:<48}{counts['passed']:>6} passed {known_text} {seconds:>7.1f} s", flush=True)
    for each in told.new:
        detail = each.detail.replace("\n", " ")
        print(f"  NEW FAILURE  {each.test}: {each.outcome}: {detail}")
    for test in told.passed:
        print(f"  passes now   {test} ({known[test]})")
    for test in told.missing:
        print(f"  is gone      {test} ({known[test]})")
    total.update({"passed": counts["passed"], "skipped": counts["skipped"], "known": as_expected})
    total.update(reason for test, reason in known.items() if test not in (*told.passed, *told.missing))
    return len(told.new)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
