from pydoc_data.topics import topics

import pytest

from gatewise.training.text.settings import TextSettings

ENGLISH = "\n".join(topics[name] for name in sorted(topics))


@pytest.fixture
def english(tmp_path):
    """A file with 12,000 characters of English."""
    path = tmp_path / "english.txt"
    path.write_text(ENGLISH[:12_000])
    return path


@pytest.fixture
def small():
    """Settings of a small model; arguments replace them."""

    def settings(**changes):
        values = {"hidden": 12, "embedding": 8, "batch_size": 4, "window": 16, "steps": 30}
        values |= {"validate_every": 10, "device": "cpu"}
        return TextSettings(**(values | changes))

    return settings
