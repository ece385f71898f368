"""What the survey saw, as a page in Markdown."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tests.survey.networks import COUNT, LARGEST, SEED

DOCS = Path(__file__).parents[2] / "docs" / "findings.md"
Seen = dict[str, Any]

# Why an expected module is no block, by what it was noted as ("" for nothing at all) and its class ("" for any).
REASONS: dict[tuple[str, str], str] = {
    ("axial attention", "BatNonLocalAttn"): (
        "a bilinear transform reads rows and columns by two matrices made of channels, which no kind of value "
        "describes; its reader has it."
    ),
    ("", "BatNonLocalAttn"): (
        "the same transform where the features are one block: its matrices meet them as they are, and nothing is said "
        "about it, which is a miss; its reader has it."
    ),
    ("window attention", ""): (
        "a softmax over the places of each of many windows, which no kind of value describes yet: named, not claimed."
    ),
    ("linear attention", "LambdaLayer"): "its two terms are made of keys and values apart; its reader has it.",
}
# What a block is that no module announces, by its class.
SURPLUS: dict[str, str] = {
    "SHMA": "attention, as its code says (one head, and a gate on what is read), whose class is named like none.",
    "MEUnit": "a sigmoid gate over channels and places, made by merging and widening the map again (Qin et al. 2018).",
    "SABlock": "split attention: a softmax over branches weighs them, channel by channel.",
}

COLUMNS = (
    "Network", "Drawn", "Size", "Expected", "Found", "Blocks", "Named", "Verified", "Largest error", "Hooks", "Time",
    "Noted",
)  # fmt: skip

INTRO = f"""# What is found in other people's networks

`attnviz findings NAME` says what attention there is in one network. This page is what it says about many, made by
`python -m tests.survey`, which can be stopped and goes on where it was.

Looked at are {COUNT} networks **drawn** by `random.Random({SEED})` from all classifiers of timm, torchvision and
pytorchcv under {LARGEST // 1_000_000} million parameters (the sorted ids of the libraries' own lists, shuffled once;
the first {COUNT} that are classifiers and small enough), and timm's networks that hold a class of attention (those
that `tests/survey/networks.py` names), first one of each file and set of classes. Weights are drawn, so that no gate is
silent; pictures are noise, 128 pixels a side where the network takes that.

**Expected** is what the modules themselves say: those of a class that is known to be attention, or named like one, that
ran. A module is *found* where a block is, is in, or is just around it; else it is *noted*, with what it is said to be,
or *missed*. A block that no module announces is *surplus*. **Time** is a look over a plain pass at batch 1, in seconds
of the processor, the best of three passes. **Hooks** compares what is read with what the modules that squash
(`Sigmoid`, `Softmax`, `attn_drop` of an attention that is not fused) give on an untouched copy: how many are bit for
bit the same, and the largest difference of the others.
"""


def page(rows: list[Seen], drawn: set[str], left: str) -> str:
    """The page. ``drawn``: ids of the draw; ``left``: what was not looked at, in words."""
    rows = sorted(rows, key=lambda row: (row["network"] not in drawn, row["network"]))
    lines = [INTRO, *_summary(rows, drawn, left), *_invented(rows), *_table(rows, drawn)]
    lines += [*_unfound(rows), *_surplus(rows), *_unverified(rows), *_failed(rows)]
    return "\n".join(lines) + "\n"


def _summary(rows: list[Seen], drawn: set[str], left: str) -> Iterator[str]:
    whole = [row for row in rows if not row["error"]]
    ratios = [row["looking"] / row["plain"] for row in whole]
    counts = {what: sum(sum(row[what].values()) for row in whole) for what in ("expected", "found")}
    noted, missed, surplus = (sum(len(row[what]) for row in whole) for what in ("noted", "missed", "surplus"))
    blocks, verified, compared, equal = (_sum(whole, what) for what in ("blocks", "verified", "compared", "equal"))
    yield "## In short\n"
    yield "| | |\n|---|---|"
    yield f"| networks | {len(rows)}, {sum(row['network'] in drawn for row in rows)} of them drawn; {left} |"
    yield f"| modules expected to be blocks | {counts['expected']} |"
    yield f"| found | {counts['found']} |"
    yield f"| named as something else | {noted} |"
    yield f"| missed | {missed} |"
    yield f"| blocks, surplus among them | {blocks}, {surplus} |"
    yield f"| verified | {verified} of {blocks} |"
    yield f"| values with a module to hook, bit for bit the same | {equal} of {compared} |"
    yield f"| largest difference from a hook | {max((row['differs'] for row in whole), default=0):.0e} |"
    if ratios:
        yield f"| a look over a plain pass | {median(ratios):.1f} (median), {max(ratios):.1f} at most |"
    yield f"| networks that a look changed | {sum(not row['untouched'] for row in whole)} |"
    yield ""


def _sum(rows: list[Seen], what: str) -> int:
    return sum(row[what] for row in rows)


def _invented(rows: list[Seen]) -> Iterator[str]:
    bare = [row for row in rows if not row["error"] and not row["expected"]]
    wrong = [row for row in bare if row["blocks"]]
    yield "## Networks without attention\n"
    none = len(bare) - len(wrong)
    yield f"In {none} of {len(bare)} networks without a module that is named like attention no block is found."
    for row in wrong:
        layer, name, _ = row["surplus"][0]
        said = SURPLUS.get(name, "Not explained yet: it may be invented.")
        yield f"- **{row['network']}**: {_counted(row['mechanisms'])}, first {layer}: {said}"
    yield ""


def _table(rows: list[Seen], drawn: set[str]) -> Iterator[str]:
    yield "## Network by network\n"
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|" + "---|" * len(COLUMNS)
    for row in rows:
        if row["error"]:
            continue
        size = f"{row['size'][1]} x {row['size'][2]}"
        yield (
            f"| {row['network']} | {'yes' if row['network'] in drawn else ''} | {size} | {_counted(row['expected'])} | "
            f"{_agrees(row)} | {_counted(row['kinds'])} | {_counted(row['mechanisms'])} | "
            f"{row['verified']} of {row['blocks']} | {_short(row['largest'])} | {_hooks(row)} | "
            f"{row['looking'] / row['plain']:.1f} | {_notes(row['notes'])} |"
        )
    yield ""


def _agrees(row: Seen) -> str:
    """Whether what was found is what was expected, and else how it is not."""
    said = [f"{len(row[what])} {what}" for what in ("noted", "missed", "surplus") if row[what]]
    return "all" if not said and row["expected"] else ", ".join([f"{sum(row['found'].values())} found", *said])


def _hooks(row: Seen) -> str:
    if not row["compared"]:
        return "none to hook" if row["unhooked"] else ""
    differs = f", {row['differs']:.0e}" if row["differs"] else ""
    return f"{row['equal']} of {row['compared']}{differs}"


def _notes(notes: Iterable[list[Any]]) -> str:
    counts: Counter[str] = Counter()
    for what, count, _ in notes:
        counts[what] += count
    return _counted(counts)


def _unfound(rows: list[Seen]) -> Iterator[str]:
    """Expected modules that are no blocks: the same for the same reason is one line, with what is to be said on it."""
    cases: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        for kind, path, what in row["noted"]:
            cases[what, kind].append(f"{row['network']} {path}")
        for kind, path in row["missed"]:
            cases["", kind].append(f"{row['network']} {path}")
    yield "## Modules that are no block, and why\n"
    for (what, kind), places in cases.items():
        reason = REASONS.get((what, kind)) or REASONS.get((what, "")) or "Not explained yet."
        named = f'named "{what}"' if what else "missed"
        yield f"- {kind}, {named}, {len(places)} times, first {places[0]}: {reason}"
    yield ""


def _surplus(rows: list[Seen]) -> Iterator[str]:
    cases: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        for layer, name, kind in row["surplus"]:
            cases[name, kind].append(f"{row['network']} {layer or '(its own forward)'}")
    yield "## Blocks that no module announces\n"
    for (name, kind), places in cases.items():
        said = SURPLUS.get(name, "Not explained yet.")
        yield f"- {name}, {kind}, {len(places)} times, first {places[0]}: {said}"
    yield ""


def _unverified(rows: list[Seen]) -> Iterator[str]:
    yield "## Not verified\n"
    for row in rows:
        if row["why"]:
            yield f"- {row['network']}, {len(row['why'])} blocks, first {row['why'][0]}"
    yield ""


def _failed(rows: list[Seen]) -> Iterator[str]:
    yield "## Not looked at\n"
    for row in rows:
        if row["error"]:
            yield f"- {row['network']}: {row['error']}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _short(value: float) -> str:
    return f"{value:.0e}" if value else "0"
