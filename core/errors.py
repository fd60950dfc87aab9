"""The exceptions that this library raises.

LabError
├── RequestError            the request is wrong; the message says what is allowed (exit code 2)
│   ├── ConfigError         a setting is outside its range, or an input has the wrong shape
│   └── IllegalMoveError    the phase of a Run does not allow the move
├── DataError               a file or folder that the user named is missing, unreadable or broken (exit code 2)
│   └── StoreError          a file under $LAF_HOME cannot be read or written, or the disk is full (exit code 1)
├── DivergedError           a loss became NaN or infinite; the message names the stage and the step (exit code 1)
└── CancelledError          the run was stopped before it had a result (exit code 1)

Each message is one sentence that the page and the command line show as it is.
"""

from __future__ import annotations


class LabError(Exception):
    """Base of all errors of the library."""


class RequestError(LabError, ValueError):
    """A wrong request, such as an unknown name, an empty class or a forget set of all images."""


class ConfigError(RequestError):
    """A setting or an input outside its allowed range."""


class IllegalMoveError(RequestError):
    """A move that the phase of a Run does not allow."""


class DataError(LabError):
    """A file or folder that is missing, unreadable or broken."""


class StoreError(DataError):
    """A file under $LAF_HOME that cannot be read or written, or a full disk."""


class DivergedError(LabError):
    """A loss that became NaN or infinite.

    Attributes: ``stage`` (as in Progress) and ``step`` (number within the stage, from 1).
    """

    def __init__(self, what: str, *, stage: str, step: int, advice: str) -> None:
        super().__init__(f"{what} is no longer a number at step {step} of {stage}: {advice}")
        self.stage = stage
        self.step = step


class CancelledError(LabError):
    """A run that was stopped before it had a result."""
