"""A run's result: kept as JSON in results/, shown as Markdown, and put into docs/performance.md."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import msgspec

from bench.bars import judge
from bench.book import Book, Key
from bench.failure import BenchmarkFailed
from bench.scale import FULL, Scale
from bench.table import Row, markdown, row_of

_RESULTS: Final = Path(__file__).parent / "results"
DOCS: Final = Path(__file__).parents[1] / "docs/performance.md"
_RUN: Final = "\n## "


class Result(msgspec.Struct, frozen=True):
    """One run, whole."""

    at: str
    scale: str
    rounds: int
    machine: dict[str, str]
    rows: list[Row]
    notes: list[str]

    @classmethod
    def of(cls, book: Book, scale: Scale, machine: dict[str, str], absent: dict[str, str], measured: list[str]) -> Self:
        """Put figures and bars together, each benchmark's bars below its figures."""
        judged = list(judge(book, set(measured), absent))
        shown = {Key(row.benchmark, row.subject, row.unit) for row in judged}
        figures = [row_of(key, values) for key, values in book.figures.items() if key not in shown]
        rows = [row for benchmark in measured for row in (*figures, *judged) if row.benchmark == benchmark]
        failures = [f"{name} failed: {why}" for name, why in book.failures.items()]
        return cls(
            at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            scale=scale.name,
            rounds=scale.rounds,
            machine=machine,
            rows=rows,
            notes=[*_of_scale(scale), *absent.values(), *failures],
        )

    def markdown(self) -> str:
        """Show the run: machine, table, notes."""
        facts = "".join(f"- {name}: {value}\n" for name, value in self.machine.items())
        notes = "".join(f"\nNote: {note}\n" for note in self.notes)
        return f"{facts}\n{markdown(self.rows)}{notes}"

    def keep(self) -> Path:
        """Write the run as JSON; return the file."""
        _RESULTS.mkdir(exist_ok=True)
        path = _RESULTS / f"{self.at.replace(' UTC', '').replace(' ', '-').replace(':', '')}-{self.scale}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
        return path


def _of_scale(scale: Scale) -> list[str]:
    if scale.name == FULL.name:
        return []
    return [f"a {scale.name} run: {scale.large_bytes >> 20} MiB stand for 1 GiB, {scale.tags:,} tags for {FULL.tags:,}"]


def newest() -> Result:
    """Read the newest kept run.

    Raises:
        BenchmarkFailed: there is none.
    """
    kept = sorted(_RESULTS.glob("*.json"))
    if not kept:
        raise BenchmarkFailed("no run is kept in bench/results yet: run the benchmarks first")
    return msgspec.json.decode(kept[-1].read_bytes(), type=Result)


def write_docs(result: Result) -> None:
    """Put a run before the earlier ones in docs/performance.md; the text before the first run stays as it is."""
    head, mark, earlier = DOCS.read_text().partition(_RUN)
    title = f"{result.at}, {result.scale} run, {result.rounds} rounds"
    if mark and title in earlier:
        return
    DOCS.write_text(f"{head.rstrip()}\n{_RUN}{title}\n\n{result.markdown()}{mark}{earlier}")
