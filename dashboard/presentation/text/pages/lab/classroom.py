"""The English of a classroom: its options, and a run's place in the line."""

from __future__ import annotations

CLASSROOM_HELP = (
    "for many browsers on this machine: runs wait in line for the cores, and each browser has limits"
)
HELPS = {  # field of SessionLimits -> help of its option
    "players": "runs that play at once, the others wait in line (default: one for each core)",
    "turn_s": "seconds that a run plays while others wait (default: 30)",
    "runs": "runs kept on disk for each browser (default: 20)",
    "upload_mb": "size of a file that a user uploads (default: 20)",
    "session_mb": "memory for the images of a session (default: 256)",
    "run_mb": "memory of a run, estimated before it plays (default: 2048)",
    "sessions": "open tabs of all browsers (default: 60)",
    "datasets": "uploaded datasets of all browsers (default: 60)",
    "models": "own models of all browsers (default: 60)",
    "disk_mb": "disk space of all browsers (default: 20000)",
}
ANY_MOMENT = "any moment now"


def option_help(text: str) -> str:
    """Return the help of a classroom's option."""
    return f"for --classroom: {text}"


def only_with_classroom(option: str) -> str:
    """Say that an option is of a classroom."""
    return f"{option} is a limit of a classroom; add --classroom"


def not_limits(variable: str, word: str) -> str:
    """Say that the variable of a classroom has a word that is no limit."""
    return f'{variable} is 1 or limits like "--players 1", not {word}'


def about_seconds(seconds: int) -> str:
    """Return a wait of seconds."""
    return f"about {seconds} s"


def about_minutes(minutes: int) -> str:
    """Return a wait of minutes."""
    return f"about {minutes} min"


def in_line(place: str, wait: str) -> str:
    """Return a place in line, such as "You are 3rd in line, about 40 s"."""
    return f"You are {place} in line, {wait}"
