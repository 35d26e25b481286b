#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sums JUnit reports: prints "PASSED FAILED SKIPPED" of all test cases in the given files; what is said of skipped ones goes to stderr."""
import sys
import xml.etree.ElementTree as ElementTree


def count(path):
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is None and case.get("status", "run") == "run" and case.get("result") != "skipped":
            passed += 1
        else:
            skipped += 1
            reason = case.find("skipped")
            words = "" if reason is None else (reason.get("message") or reason.text or "").strip().splitlines()
            print(f"skipped: {case.get('classname')}.{case.get('name')}: {words[-1] if words else 'no reason given'}", file=sys.stderr)
    return passed, failed, skipped


if __name__ == "__main__":
    counts = [count(path) for path in sys.argv[1:]]
    print(*(sum(c[i] for c in counts) for i in range(3)))
