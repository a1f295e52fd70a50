"""Turns that the processes of one machine take, so short that the kernel is asked only when two want theirs at once.

A lock of the kernel's costs two calls, and Python lets go of the interpreter for each, which all threads of the server wait for.
A semaphore in shared memory is one instruction while nobody else has it, but does not go with its holder: who was killed with it
is waited for as long as nobody living takes, and then passed over.
"""

import multiprocessing
from typing import Final

from entrepot.base.errors import EntrepotError

_LONGEST_S: Final = 0.05  # a turn takes microseconds: who has it for so long was killed, or is frozen


class NoSharedMemory(EntrepotError):
    """The machine has no place for semaphores: /dev/shm is missing or read-only."""

    summary = "pulls cannot be counted against limits: /dev/shm cannot be written ({reason}): mount it, or use --limits open"


class Turns:
    """Some of them; made before the processes are forked. Of those who want the same one, one has it at a time.

    Making them raises NoSharedMemory. Who was frozen with one, and goes on after it was passed over, is in it beside another.
    """

    def __init__(self, number: int) -> None:
        context = multiprocessing.get_context("fork")
        try:
            turns = [context.BoundedSemaphore(1) for _ in range(number)]
        except OSError as error:
            raise NoSharedMemory(reason=error.strerror) from error
        self._number = number
        self._takes, self._gives = [turn.acquire for turn in turns], [turn.release for turn in turns]

    def take(self, which: int) -> None:
        """Wait for the turn."""
        take = self._takes[which % self._number]
        if not take(False):  # noqa: FBT003 - the library's fast form
            take(timeout=_LONGEST_S)

    def give(self, which: int) -> None:
        """Let the next one have it."""
        try:  # noqa: SIM105 - a `suppress` would take longer than all the rest
            self._gives[which % self._number]()
        except ValueError:  # it was given already, by somebody who had been passed over
            pass
