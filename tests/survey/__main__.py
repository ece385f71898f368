"""``python -m tests.survey``: look at networks of timm, torchvision and pytorchcv; a table in ``docs/findings.md``.

It can be stopped at any time: what was seen of each network is a line of ``runs/survey/seen.jsonl``, and the same
command goes on from there. ``--seconds`` ends it by itself, ``--table`` only writes the table.
"""

import argparse
import json
import time
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import torch

from tests.survey.measure import measure
from tests.survey.networks import RUNS, Counted, Network, by_file, drawn, with_attention
from tests.survey.table import DOCS, page

SEEN = RUNS / "seen.jsonl"
HEAVY = 150_000_000  # parameters of a network that is left to those with more memory


def seen() -> dict[str, dict[str, Any]]:
    """What was seen so far, by network; of one that was looked at again, what was seen last."""
    lines = SEEN.read_text(encoding="utf-8").splitlines() if SEEN.exists() else []
    return {row["network"]: row for row in map(json.loads, lines)}


def in_turn(counted: Counted) -> Iterator[Network]:
    """One of the draw, one of those with attention, and so on."""
    for pair in zip_longest(drawn(counted), with_attention(counted)):
        yield from (network for network in pair if network is not None and network.params <= HEAVY)


def survey(counted: Counted, until: float, again: list[str]) -> None:
    """Look at what was not looked at yet, until a moment; ``again``: ids that are looked at whether or not."""
    networks = [counted(name) for name in again] or in_turn(counted)
    for network in networks:
        if time.monotonic() > until:
            return
        if network.id in seen() and not again:
            continue
        start = time.monotonic()
        row = measure(network)
        with SEEN.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")
        print(f"{network.id}: {row['blocks']} blocks, {time.monotonic() - start:.0f} s {row['error']}", flush=True)


def _left(counted: Counted, chosen: set[str]) -> str:
    """How much is still to be looked at, in words."""
    done, timm = seen(), [f"timm:{name}" for name in by_file()]
    listed = [name for name in timm if name in counted.known and counted.known[name].listed]
    unknown = sum(name not in counted.known for name in timm)
    return (
        f"{len(chosen - done.keys())} of the draw and {len(set(listed) - done.keys())} of timm's {len(listed)} with "
        f"attention are left" + (f"; {unknown} of timm's were not counted yet" if unknown else "")
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.survey", description=__doc__)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after the network then at work")
    parser.add_argument("--table", action="store_true", help="look at nothing")
    parser.add_argument("again", nargs="*", help="ids that are looked at again")
    options = parser.parse_args()
    torch.set_num_threads(1)
    counted = Counted()
    if not options.table:
        survey(counted, time.monotonic() + options.seconds, options.again)
    chosen = {network.id for network in drawn(counted)}
    DOCS.write_text(page(list(seen().values()), chosen, _left(counted, chosen)), encoding="utf-8")
    print(f"{len(seen())} networks in {DOCS}")


if __name__ == "__main__":
    main()
