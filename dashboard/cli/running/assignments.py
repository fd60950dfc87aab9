"""The option --set FIELD=VALUE of laf run: any field of a method's settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core.errors import RequestError
from core.runtime.bounds import quote_value

ASSIGNMENT = "FIELD=VALUE"
MOST_LETTERS = 64  # of a field's name


def with_set(config: Any, assignments: Sequence[str]) -> Any:
    """Return a method's ``config`` with each "field=value" set; a dotted field names a part, as in ``vae.latent=16``.

    Raises RequestError for words that assign nothing, for an unknown field (the message lists all fields) and for a field named
    twice; ConfigError for a value that the field does not allow.
    """
    if not assignments:
        return config
    from core.experiments.studies.parameters import apply_settings

    values: dict[str, Any] = {}
    for words in assignments:
        field, equals, text = (part.strip() for part in words.partition("="))
        if not (field and equals and text):
            raise RequestError(f"--set takes FIELD=VALUE, as in lr_ra=3e-3, got {quote_value(words)}")
        if len(field) > MOST_LETTERS:
            raise RequestError(
                f"{quote_value(field)} is no setting of a method; the longest has fewer letters"
            )
        if field in values:
            raise RequestError(f"--set names {quote_value(field)} twice; give it one value")
        values[field] = _value(text)
    if config is None:
        raise RequestError("--set changes settings, and this method has none")
    threads = values.pop("threads", None)
    changed = apply_settings(config, values)
    return changed if threads is None else replace(changed, threads=threads)


def _value(text: str) -> Any:
    """Return ``text`` as a number, a truth value, or itself."""
    try:
        found = json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, (bool, int, float)) else text
