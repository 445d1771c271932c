"""JSON lines: the endings of such files, and their first faulty line."""

import json

from gatewise.data.source import PlainText

JSON_LINES = (".jsonl", ".ndjson", ".json")


def faulty_json(text: PlainText) -> str | None:
    """Return what is wrong with the first line that is no JSON object, or None."""
    for number, line in enumerate(text.lines(), 1):
        if line.strip():
            try:
                found = json.loads(line)
            except ValueError as error:
                return f"row {number} is not JSON: {error}"
            if not isinstance(found, dict):
                return f'row {number} is not a JSON object such as {{"text": …, "label": …}}'
    return None
