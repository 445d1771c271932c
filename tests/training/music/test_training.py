import os
import signal

import numpy as np
import pytest
import torch

import gatewise as gw
from gatewise.data.music.keys import KEYS, shares_of
from gatewise.data.music.midi import read_midi, write_midi
from gatewise.data.music.rolls import Music, read_music
from gatewise.training.checkpoint import RunError
from gatewise.training.model_file import ModelFileError, read_model_file, write_model_file
from gatewise.training.music.model import MusicModel
from gatewise.training.music.module import MusicTraining
from gatewise.training.music.report import surprise_of
from gatewise.training.music.settings import MusicSettings
from gatewise.training.music.training import train_music
from gatewise.training.plan import Display, Stopped

# the models that all tests share are made before a test says what it runs on
pytestmark = pytest.mark.kernels


def small(**changes):
    chosen = {"hidden": 8, "steps": 20, "validate_every": 10, "device": "cpu", "batch_size": 3}
    return MusicSettings(**{**chosen, **changes})


def tunes(count, length=12, seed=0):
    """Two keys that take turns, at one of four places."""
    draw = np.random.default_rng(seed)
    made = np.zeros((count, length, KEYS), np.uint8)
    for piece, key in zip(made, 20 + 10 * draw.integers(4, size=count), strict=True):
        piece[::2, key] = piece[1::2, key + 4] = 1
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tunes.npz"
    np.savez(path, train=tunes(10), valid=tunes(3, seed=1), test=tunes(3, seed=2))
    return path


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m.safetensors"
    train_music(data, path, small(chords=True, epochs=None))
    return path


def weights(path):
    return read_model_file(path).tensors


def test_music_is_learned(data, tmp_path):
    progress = train_music(
        data, tmp_path / "m.safetensors", small(steps=80, hidden=24, transpose=0, dropout=0.0)
    )
    music = read_music(data)
    chance = surprise_of(shares_of(music.training), music.validation)
    assert progress.best.validation < 0.8 * chance
    model = gw.load(tmp_path / "m.safetensors")
    assert isinstance(model, MusicModel)
    assert model.score(music.validation) == pytest.approx(progress.best.validation, rel=1e-5)


def test_first_steps_do_not_count(trained, data):
    model, [piece, *_] = gw.load(trained), read_music(data).test
    surprise = model.surprise(piece)
    assert surprise.shape == (12,)
    assert model.score([piece]) == pytest.approx(float(surprise[1:].mean()), rel=1e-5)


def test_music_is_composed_by_seed_and_goes_on(trained):
    model = gw.load(trained)
    one = model.compose(20, seed=1)
    assert one.shape == (20, KEYS)
    assert set(np.unique(one)) <= {0, 1}
    assert np.array_equal(one, model.compose(20, seed=1))
    assert not np.array_equal(one, model.compose(20, seed=2))
    assert model.compose(5, begin=one).shape == (5, KEYS)
    for wrong in ({"steps": 0}, {"temperature": -1.0}, {"begin": np.zeros((3, 5))}):
        with pytest.raises(ValueError, match=r"not 0 and|and -1.0|not \(3, 5\)"):
            model.compose(**{"steps": 2, **wrong})


def test_report_and_a_piece_stand_beside_the_model(trained, data):
    text = trained.with_suffix(".md").read_text()
    model, music = gw.load(trained), read_music(data)
    chance = surprise_of(shares_of(music.training), music.test)
    assert "| nats per step | validation | test |" in text
    assert f"{model.score(music.test):.3f} |" in text
    assert f"{chance:.3f} |" in text
    assert "measured once" in text
    for name in ("m.roll.png", "m.course.png"):
        assert trained.with_name(name).read_bytes().startswith(b"\x89PNG")
    assert "data:image/png" in trained.with_suffix(".html").read_text()
    made = model.compose(96, seed=0)
    used = np.flatnonzero(made.any(1))
    back, _ = read_midi(trained.with_suffix(".mid"), 4)
    assert np.array_equal(back, made[used[0] : used[-1] + 1])
    assert not trained.with_suffix(".run").exists()


def test_chance_is_each_key_by_itself():
    roll = np.zeros((3, KEYS), np.uint8)
    roll[1, 0] = 1
    shares = np.full(KEYS, 0.5)
    assert surprise_of(shares, [roll, roll]) == pytest.approx(KEYS * np.log(2))
    assert shares_of([roll])[0] == pytest.approx(1.5 / 4)


class Stop(Display):
    def __init__(self, step):
        self.step = step

    def stepped(self, progress, loss, spent):
        if progress.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_stopped_run_that_goes_on_equals_one_that_was_not(trained, data, tmp_path):
    output = tmp_path / "m.safetensors"
    torch.manual_seed(99)  # what the caller did before must not matter
    for step in (3, 14):
        with pytest.raises(Stopped):
            train_music(data, output, small(), display=Stop(step))
    with pytest.raises(RunError, match="--hidden was 8, now 9"):
        train_music(data, output, small(hidden=9))
    train_music(data, output, small())
    for name, tensor in weights(trained).items():
        assert torch.equal(tensor, weights(output)[name]), name


def test_other_files_are_measured_on(data, tmp_path):
    np.save(tmp_path / "train.npy", tunes(10))
    np.save(tmp_path / "valid.npy", tunes(4, seed=7))
    (tmp_path / "test.mid").write_bytes(write_midi(tunes(1, seed=8)[0], 4))
    train_music(
        tmp_path / "train.npy",
        tmp_path / "m.safetensors",
        small(),
        validation=tmp_path / "valid.npy",
        test=tmp_path / "test.mid",
    )
    text = (tmp_path / "m.md").read_text()
    assert "10 of 120 steps for learning, 4 of 48 steps for validation, 1 of 12 steps" in text
    with pytest.raises(RunError, match="is the file to read"):
        train_music(data, tmp_path / "m.safetensors", small(), test=tmp_path / "m.safetensors")
    train_music(tmp_path / "train.npy", tmp_path / "n.safetensors", small())
    assert "chosen by the validation part" in (tmp_path / "n.md").read_text()


def test_bad_data_leaves_nothing(tmp_path):
    np.save(tmp_path / "few.npy", tunes(2))
    with pytest.raises(ValueError, match="2 pieces to learn from"):
        train_music(tmp_path / "few.npy", tmp_path / "m.safetensors", small())
    assert [path.name for path in tmp_path.iterdir()] == ["few.npy"]


def batches(training, count):
    source = training.batches((0, 0))
    return [next(source) for _ in range(count)]


def test_pieces_move_to_other_keys_in_training_alone():
    music = Music("tunes", tuple(tunes(6)), tuple(tunes(2, seed=1)))
    moving = MusicTraining(small(transpose=3), music)
    seen = {tuple(each.keys.nonzero()[:, 2].unique().tolist()) for each in batches(moving, 40)}
    still = {
        tuple(each.keys.nonzero()[:, 2].unique().tolist())
        for each in batches(MusicTraining(small(transpose=0), music), 40)
    }
    assert len(seen) > len(still)
    for batch in moving.validation_batches():
        assert torch.equal(batch.keys, torch.from_numpy(tunes(2, seed=1)).transpose(0, 1).float())


def test_long_pieces_are_cut_and_know_what_came_before():
    [piece] = tunes(1, length=10)
    training = MusicTraining(
        small(length=4, transpose=0, batch_size=3), Music("one", (piece,), (piece,))
    )
    [batch] = batches(training, 1)
    assert batch.lengths.sum() == 10
    whole = torch.from_numpy(piece).float()
    for b, length in enumerate(batch.lengths.tolist()):
        keys, before = batch.keys[:length, b], batch.before[:length, b]
        [at] = [k for k in (0, 4, 8) if len(whole[k : k + 4]) == length and holds(whole, k, before)]
        assert torch.equal(keys, whole[at : at + length])
        assert torch.equal(before[1:], keys[:-1])


def holds(whole, at, before):
    """Whether a part that begins there has this before its first step."""
    expected = whole[at - 1] if at else torch.zeros(KEYS)
    return torch.equal(before[0], expected)


def test_settings_that_cannot_be_are_errors():
    for name, value in (
        ("hidden", 0),
        ("transpose", -1),
        ("length", 1),
        ("dropout", 1.0),
        ("weight_drop", -0.1),
        ("optimizer", "adagrad"),
        ("minutes", 0.0),
    ):
        with pytest.raises(ValueError, match=name.replace("_", "-")):
            small(**{name: value})


def test_every_regularizer_reaches_the_layer():
    chosen = {"input_dropout": 0.1, "recurrent_dropout": 0.2, "weight_drop": 0.3, "zoneout": 0.4}
    task = MusicTraining(small(**chosen), Music("tunes", tuple(tunes(6)), tuple(tunes(2))))
    options = task.model.recurrent.options
    assert {name: getattr(options, name) for name in chosen} == chosen


def test_forget_gates_begin_with_the_bias_that_is_given():
    music = Music("tunes", tuple(tunes(6)), tuple(tunes(2)))
    weights = MusicTraining(small(forget_bias=1.5), music).model.recurrent.weights()
    assert (weights["b.f"] == 1.5).all()
    with pytest.raises(ValueError, match="forget-bias: cell 'rnn' has no forget gate"):
        small(cell="rnn", forget_bias=1.5)


def test_foreign_configuration_is_refused(trained, tmp_path):
    file = read_model_file(trained)
    file.config["model"] = {"units": 3}
    write_model_file(tmp_path / "m.safetensors", file)
    with pytest.raises(ModelFileError, match="not that of a model of music"):
        gw.load(tmp_path / "m.safetensors")


def test_cells_without_recurrent_products_have_none_dropped():
    assert MusicSettings(cell="sru").layer_options()["recurrent_dropout"] == 0
    assert MusicSettings(cell="lstm").layer_options()["recurrent_dropout"] > 0
    music = Music("tunes", tuple(tunes(6)), tuple(tunes(2)))
    assert MusicTraining(small(cell="sru"), music).model.training
