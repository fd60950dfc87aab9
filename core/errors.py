"""Everything this library raises on purpose.

LabError
├── RequestError            what was asked for is wrong; the sentence says what would be right (exit code 2)
│   ├── ConfigError         a setting is outside its range, or data of the wrong shape was handed in
│   └── IllegalMoveError    a Run was asked for a move that its phase does not allow
├── DataError               a file or folder that the user named is missing, unreadable or broken (exit code 2)
│   └── StoreError          a file of the Lab's own cannot be read or written, or the disk is full (exit code 1)
├── DivergedError           a loss stopped being a number; names the stage and the step (exit code 1)
└── CancelledError          the run was stopped before it had a result (exit code 1)

Each carries one sentence that can be shown to a person as it is.
"""

from __future__ import annotations


class LabError(Exception):
    """Base of all errors of the library."""


class RequestError(LabError, ValueError):
    """The request is wrong: an unknown name, an empty class, nothing left to remember."""


class ConfigError(RequestError):
    """A setting or an input is outside what is allowed."""


class IllegalMoveError(RequestError):
    """A move that the phase of a Run does not allow."""


class DataError(LabError):
    """Files that are missing, unreadable or broken."""


class StoreError(DataError):
    """Files of the Lab's own that cannot be read or written, or a disk that is full."""


class DivergedError(LabError):
    """A loss became NaN or infinite.

    Attributes: ``stage`` (as in Progress), ``step`` (1-based number within the stage).
    """

    def __init__(self, what: str, *, stage: str, step: int, advice: str) -> None:
        super().__init__(f"{what} is no longer a number at step {step} of {stage}: {advice}")
        self.stage = stage
        self.step = step


class CancelledError(LabError):
    """The run was cancelled before it had a result."""
