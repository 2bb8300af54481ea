"""Print the page of benchmarks from what ``make benchmark`` measured: ``make benchmark-page``."""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

HEAD = """# Benchmarks

Each table compares the package, in one run, with what it replaces: the loop of a researcher in NumPy,
one chain at a time or vectorised, and the random numbers alone. Times are the least of several rounds, per
chain and generation. The last column is that time over the one of the row it names. Cases that were not part
of the run are not listed. The loops are in `tests/benchmarks`;
`make benchmark` measures them all, and `make benchmark-page` writes this page.
"""


def describe_run(measured: dict[str, Any]) -> str:
    """Return the machine, the commit and the date in words."""
    machine, commit = measured["machine_info"], measured["commit_info"]
    cpu = machine["cpu"]
    load = f"load average {machine['load']} at the start" if machine.get("load") is not None else ""
    busy = (machine.get("load") or 0) > (cpu.get("count") or 1)
    return ("**The machine was busy: these ratios may be wrong several times over.** " if busy else "") + (
        f"{cpu.get('brand_raw', machine['machine'])}, {cpu.get('count', '?')} cores, {load}; Python "
        f"{machine['python_version']}; commit `{commit['id'][:12]}`"
        f"{' with changes' if commit.get('dirty') else ''}; {measured['datetime'][:10]}."
    )


def table_of(case: str, entries: list[dict[str, Any]]) -> str:
    """Return the table of one case: cost, memory and ratio of every row."""
    baseline = entries[0]["extra_info"]["baseline"]
    rows = [
        f"| {info['name']} | {info['us_per_chain_generation']:,.3g} | {info['peak_mib']:,.1f} "
        f"| {info['ratio']:.3g} |"
        for info in (entry["extra_info"] for entry in entries)
    ]
    head = f"| | µs per chain and generation | peak MiB | times *{baseline}* |"
    return "\n".join([f"## {case}\n", head, "|---|---:|---:|---:|", *rows, ""])


def page(measured: dict[str, Any]) -> str:
    """Return the page for the JSON that pytest-benchmark writes."""
    compared = [entry for entry in measured["benchmarks"] if "ratio" in entry["extra_info"]]
    compared.sort(key=lambda entry: str(entry["group"]))
    tables = [table_of(case, list(group)) for case, group in groupby(compared, lambda entry: entry["group"])]
    others = [entry for entry in measured["benchmarks"] if "ratio" not in entry["extra_info"]]
    if others:
        rows = [f"| `{entry['name']}` | {entry['stats']['min']:.3g} |" for entry in others]
        tables.append("\n".join(["## Without a baseline\n", "| | seconds |", "|---|---:|", *rows, ""]))
    return "\n".join([HEAD, describe_run(measured) + "\n", *tables])


if __name__ == "__main__":
    sys.stdout.write(page(json.loads(Path(sys.argv[1]).read_text())))
