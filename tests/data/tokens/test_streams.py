from itertools import islice

import numpy as np
import pytest
import torch

from gatewise.data.tokens.streams import IGNORED, Cursor, TrainingStreams, ValidationStreams


def epoch(streams, number=0):
    return list(islice(streams.windows(Cursor(number, 0)), streams.windows_per_epoch))


def test_streams_run_on_from_window_to_window():
    streams = TrainingStreams(np.arange(100), batch_size=3, window=7, seed=1)
    windows = epoch(streams)
    assert streams.windows_per_epoch == len(windows) == 4
    inputs = torch.cat([window.inputs for window in windows])
    targets = torch.cat([window.targets for window in windows])
    assert inputs.shape == (28, 3)
    assert torch.equal(targets, inputs + 1)
    assert torch.equal(inputs[1:], inputs[:-1] + 1)
    assert torch.equal(inputs[0, 1:], inputs[0, :-1] + 28)
    assert [window.fresh for window in windows] == [True, False, False, False]


def test_epochs_begin_in_different_places_the_same_for_the_same_seed():
    def starts(seed):
        streams = TrainingStreams(np.arange(110), 3, 7, seed)
        return [streams.starts(number).tolist() for number in range(6)]

    assert starts(1) == starts(1)
    assert starts(1) != starts(2)
    assert len({tuple(start) for start in starts(1)}) > 1
    assert max(start[-1] for start in starts(1)) + 35 <= 109


def test_a_cursor_goes_on_where_another_run_stopped():
    streams = TrainingStreams(np.arange(100), 3, 7)
    through = list(islice(streams.windows(Cursor()), 11))
    assert [window.cursor for window in through[2:5]] == [(0, 3), (1, 0), (1, 1)]
    for begun, window in enumerate(through[:-1]):
        following = next(streams.windows(window.cursor))
        assert torch.equal(following.inputs, through[begun + 1].inputs)
        assert following.fresh == through[begun + 1].fresh


def test_a_short_text_shortens_the_window():
    streams = TrainingStreams(np.arange(10), 3, 64)
    assert (streams.window, streams.windows_per_epoch) == (3, 1)
    assert next(streams.windows(Cursor())).inputs.shape == (3, 3)


def test_too_many_streams_are_refused():
    with pytest.raises(ValueError, match="8 tokens are too few for 8 streams"):
        TrainingStreams(np.arange(8), 8, 4)


@pytest.mark.parametrize("count", [2, 3, 9, 10, 11, 100, 1001])
@pytest.mark.parametrize(("window", "shortest", "most"), [(4, 5, 4), (256, 1, 3), (3, 1000, 9)])
def test_validation_measures_every_token_once(count, window, shortest, most):
    streams = ValidationStreams(np.arange(count), window, shortest, most)
    seen = []
    for batch in streams.windows():
        kept = batch.targets != IGNORED
        assert torch.equal(batch.targets[kept], batch.inputs[kept] + 1)
        seen += batch.targets[kept].tolist()
    assert sorted(seen) == list(range(1, count))
    assert len(seen) == streams.targets
    assert streams.streams <= most
