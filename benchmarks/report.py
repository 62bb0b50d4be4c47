"""Tables of `python -m benchmarks` in Markdown, and the notes below them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from benchmarks.interleaved import OURS
from tinynet.core import processors

NAMES = {
    "torch:default": "PyTorch eager",
    "torch:channels_last": "PyTorch eager, channels_last",
    "compiled:default": "torch.compile",
    "compiled:channels_last": "torch.compile, channels_last",
    "jax": "JAX",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
}
COLUMNS = {  # of the tables: the rivals of a cell
    "PyTorch eager": ("torch:default", "torch:channels_last"),
    "torch.compile": ("compiled:default", "compiled:channels_last"),
    "JAX": ("jax",),
    "ONNX Runtime": ("onnxruntime",),
    "OpenVINO": ("openvino",),
}
FAILED, ABSENT = "failed", "–"


class Report:
    """What was measured, printed row by row.

    Parameters
    ----------
    out : stream
    threads, rounds : settings of all measurements

    Attributes
    ----------
    nets : networks to measure, None for all
    quick : whether eager PyTorch is the only rival
    found : results of `interleaved.run_interleaved` by network and case
    """

    def __init__(self, out: TextIO, threads: int, rounds: int) -> None:
        self.out, self.threads, self.rounds = out, threads, rounds
        self.nets: list[str] | None = None
        self.quick = False
        self.found: dict[tuple[str, str], dict[str, Any]] = {}
        self.titles: tuple[str, ...] = ()
        self.notes: list[str] = []
        self.failures: dict[str, str] = {}
        self.versions: dict[str, str] = {}

    def table(self, *titles: str) -> None:
        """Begin a table, unless the last row belongs to one of these titles."""
        if titles == self.titles:
            return
        self.titles = titles
        self.out.write(f"\n| {' | '.join(titles)} |\n|{'---|' * len(titles)}\n")
        self.out.flush()

    def row(self, *cells: str) -> None:
        """Print a row."""
        self.out.write(f"| {' | '.join(cells)} |\n")
        self.out.flush()

    def compared(self, net: str, case: str, what: str, found: dict[str, Any]) -> None:
        """Print the row of a case: the times in ms, the ratio to the best rival, and its name."""
        self.found[net, case] = found
        self.versions.update(found["versions"])
        for name, reason in found["failed"].items():
            self.failures[f"{NAMES.get(name, name)}, {what} of {net}"] = reason
        times = {name: ms for (_, name), ms in found["ms"].items()}
        cells = [self._cell(times, found["failed"], names) for names in COLUMNS.values()]
        self.row(net, what, f"{times.pop(OURS):.4g} ms", *cells, *_ratio(found["ms"], case))

    def _cell(self, times: dict[str, float], failed: dict[str, str], names: Any) -> str:
        """Return the times of the rivals of a column."""
        said = [
            f"{times[name]:.4g}" if name in times else FAILED if name in failed else ABSENT
            for name in names
        ]
        return ABSENT if set(said) == {ABSENT} else " / ".join(said)

    def note(self, sentence: str) -> None:
        """Add a sentence below the tables."""
        self.notes.append(sentence)

    def close(self) -> None:
        """Print the settings, the notes and the rivals that failed."""
        known = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        self.out.write(
            f"\n{processor()}; {self.threads} threads, float32, medians of {self.rounds} rounds; "
            f"a / b: default layout / channels_last; {ABSENT}: not measured. {known}\n"
        )
        for sentence in self.notes:
            self.out.write(f"\n{sentence}\n")
        for who, reason in self.failures.items():
            self.out.write(f"\n{who}, failed: {reason}\n")
        self.out.flush()


def _ratio(ms: dict[tuple[str, str], float], case: str) -> tuple[str, str]:
    """Return the ratio to the best rival, and its name."""
    best = best_of(ms, case)
    if best is None:
        return ABSENT, "no rival"
    return f"**{ms[case, OURS] / ms[case, best]:.2f}**", NAMES.get(best, best)


def best_of(ms: dict[tuple[str, str], float], case: str, start: str = "") -> str | None:
    """Return the quickest rival whose name begins with `start`, or None."""
    rivals = {
        name: value
        for (which, name), value in ms.items()
        if which == case and name != OURS and name.startswith(start)
    }
    return min(rivals, key=lambda name: rivals[name]) if rivals else None


def processor() -> str:
    """Return the name of the processor, with its widest vectors."""
    name = processors.name()
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return name
    widest = next((v for f, v in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if f in words), "")
    return f"{name} ({widest})" if widest else name
