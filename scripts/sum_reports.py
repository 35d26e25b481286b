#!/usr/bin/env python3
"""Sums JUnit reports: prints "PASSED FAILED" of all test cases in the given files (skipped ones count as neither)."""
import sys
import xml.etree.ElementTree as ElementTree


def count(path):
    passed = failed = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is None and case.get("status", "run") == "run" and case.get("result") != "skipped":
            passed += 1
    return passed, failed


if __name__ == "__main__":
    counts = [count(path) for path in sys.argv[1:]]
    print(sum(c[0] for c in counts), sum(c[1] for c in counts))
