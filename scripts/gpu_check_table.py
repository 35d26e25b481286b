#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The results of scripts/gpu_check.sh as a table for people. Usage: gpu_check_table.py RESULTS"""
import json
import sys


def number(value, digits=1):
    return "" if value is None else f"{value:.{digits}f}"


def percent(value):
    return "" if value is None else f"{100 * value:.1f}%"


def line(name, *columns):
    print(f"{name:44}" + "".join(f"{column:>14}" for column in columns))


def ceiling(rows, kernel, key):
    return max((row[key] for row in rows if row.get("kernel") == kernel and key in row), default=None)


def share(value, whole):
    return value / whole if value is not None and whole else None


def checks(rows):
    print("\nanswers against the CPU's, and alone against in a batch")
    for row in (row for row in rows if "check" in row):
        line(f"{row['check']}, {row['family']}, {row['type']}", "right" if row["right"] else "WRONG", f"{row['equal']}/{row['tokens']} equal")
        if row["first_difference"]:
            print("   ", row["first_difference"])
    for row in (row for row in rows if "bisect" in row):
        line(f"with {row['bisect']}", row.get("status", row.get("says")))


def by_type(rows):
    """The rows of the kernels' benchmark for each type of numbers, which a process says first."""
    found, kind = {}, ""
    for row in (row for row in rows if "kernel" in row or "type" in row and "sms" in row):
        kind = row.get("type", kind)
        found.setdefault(kind, []).append(row)
    return found


def waves(row):
    """How often the device is filled with the clusters of a kernel."""
    return str(-(-row["clusters"] // row["clusters_at_once"])) if row.get("clusters_at_once") else ""


def kernels(rows):
    """The ceilings are those of the same type, from a process of their own."""
    model = "predicted_us_h200" if any("H200" in row.get("device", "") for row in rows) else "predicted_us_h100"
    print()
    line("kernels", "us", "model, us", "waves", "GB/s", "of reading", "TFLOP/s", "of cuBLAS max", "over cuBLAS")
    for kind, of_type in by_type(rows).items():
        checked = [row["right"] for row in of_type if "right" in row]
        print(f"{kind}: {sum(checked)} of {len(checked)} results are right")
        read, cublas = ceiling(of_type, "read", "gb_per_s"), ceiling(of_type, "cublas", "tflop_per_s")
        for row in of_type:
            if row.get("right") is False:
                line(f"{kind} {row['kernel']} {row['shape']}", "WRONG", f"off by {row['largest_difference']} of {row['largest']}")
            if "us" in row:
                line(f"{kind} {row['kernel']} {row['shape']}", number(row["us"]), number(row.get(model)), waves(row), number(row["gb_per_s"]), percent(share(row["gb_per_s"], read)),
                     number(row["tflop_per_s"]), percent(share(row["tflop_per_s"], cublas)), number(row.get("speed_over_cublas"), 2))


def model(rows):
    of_type = by_type(rows).get("bfloat16", [])  # as it is
    read, cublas = ceiling(of_type, "read", "gb_per_s"), ceiling(of_type, "cublas", "tflop_per_s")
    print()
    line("the model", "ms", "tokens/s", "GB/s", "of reading", "TFLOP/s", "of cuBLAS max")
    for row in (row for row in rows if "bench" in row):
        if row["bench"] == "load":
            print(f"{row['model']} on {row['device']}, loaded in {row['seconds']:.1f} s, {row['step_tokens']} tokens in a step")
        elif row["bench"] == "decode":
            line(f"decode {row['batch']} x {row['context']}", number(row["ms"], 2), number(row["tokens_per_s"]), number(row["gb_per_s"]), percent(share(row["gb_per_s"], read)))
        else:
            line(f"prefill {row['tokens']}", number(row["ttft_ms"], 2), number(row["tokens_per_s"]), "", "", number(row["tflop_per_s"]),
                 percent(share(row["tflop_per_s"], cublas)))


def server(rows):
    print("\nthe server")
    load = ""
    for row in rows:
        load = row.get("load", load)
        if row.get("server") == "ready":
            print(f"ready after {row['seconds']} s with {row['blocks']} blocks")
        elif row.get("server") == "memory":
            print(row["says"])
        elif row.get("server") == "ended":
            print(f"ended with status {row['status']}" + (f" after SIG{row['signal']}" if row["signal"] else ""))
        elif "completed" in row:
            print(f"{load}: {row['completed']} answers, {row['failed']} errors {row['errors'] or ''}, {row['output_throughput']:.1f} tokens/s, "
                  f"TTFT {row['median_ttft_ms']:.1f} ms (p99 {row['p99_ttft_ms']:.1f}), ITL {row['median_itl_ms']:.2f} ms (p99 {row['p99_itl_ms']:.2f})")


def parts(rows):
    print("\nwhat ran")
    for row in (row for row in rows if "part" in row):
        print(f"{row['status']:14}{row['seconds']:>5} s  {row['part']}")
    print()


if __name__ == "__main__":
    with open(sys.argv[1]) as results:
        found = [json.loads(text) for text in results]
    for table in (checks, kernels, model, server, parts):
        table(found)
