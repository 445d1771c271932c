import os
import re
import signal

import pytest
import torch

import gatewise as gw
from gatewise.equations import U, W, b, cell, tanh
from gatewise.training.checkpoint import RunError
from gatewise.training.model_file import read_model_file
from gatewise.training.plan import Display, Stopped
from gatewise.training.text.training import train_text


@cell(states=("h",))
def elman(x, h):
    h = tanh(W.h @ x + U.h @ h + b.h)
    return {"h": h}


class KilledError(Exception):
    """As if the process had ended."""


class KillAt(Display):
    """Ends the run behind a step, without a chance to save."""

    def __init__(self, step):
        self.step = step

    def stepped(self, progress, loss, spent):
        if progress.step == self.step:
            raise KilledError


class Losses(Display):
    """Remembers every step's loss."""

    def __init__(self):
        self.seen = {}

    def stepped(self, progress, loss, spent):
        self.seen[progress.step] = loss


def results(path):
    file = read_model_file(path)
    return file.tensors, file.training["history"]


def assert_equal_models(one, other):
    (tensors, history), (tensors_too, history_too) = results(one), results(other)
    assert history == history_too
    assert tensors.keys() == tensors_too.keys()
    assert all(torch.equal(tensors[name], tensors_too[name]) for name in tensors)


def test_it_learns_and_leaves_one_file(english, small, tmp_path):
    output = tmp_path / "model.safetensors"
    progress = train_text([english], output, small(steps=150, learning_rate=0.02))
    first, last = progress.history[0], progress.history[-1]
    assert last.step == progress.step == 150
    assert last.validation < first.validation - 0.2
    assert last.validation < 3.2  # a uniform guess of 77 characters costs 4.3
    beside = ["model.course.png", "model.html", "model.md", "model.safetensors"]
    assert sorted(os.listdir(tmp_path)) == ["english.txt", *beside]
    report = (tmp_path / "model.md").read_text()
    assert f"| nats per token | {progress.best.validation:.4f} |" in report
    assert gw.load(output).generate(length=400, seed=0) in report
    assert "data:image/png;base64," in (tmp_path / "model.html").read_text()


@pytest.mark.parametrize("changes", [{}, {"cell": "peephole"}, {"tokens": "bpe"}, {"layers": 2}])
def test_equal_seeds_give_equal_models(english, small, tmp_path, changes):
    changes = {"dropout": 0.2, "steps": 12, **changes}
    for name in "ab":
        torch.manual_seed(ord(name))  # what the caller did before must not matter
        train_text([english], tmp_path / f"{name}.safetensors", small(**changes))
    assert_equal_models(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    train_text([english], tmp_path / "c.safetensors", small(**changes, seed=1))
    assert results(tmp_path / "c.safetensors")[1] != results(tmp_path / "a.safetensors")[1]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("cell", ["lstm", "peephole"])
def test_a_killed_run_that_goes_on_equals_one_that_was_not(
    english, small, tmp_path, cell, optimizer
):
    settings = small(cell=cell, optimizer=optimizer, dropout=0.2, layers=2)
    straight, broken = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    train_text([english], straight, settings)
    # killed before any checkpoint, between two, at a validation's step, and again
    for seconds, step in [(1e9, 5), (1e9, 14), (0, 20), (0, 23), (0, 29)]:
        with pytest.raises(KilledError):
            train_text(
                [english], broken, settings, checkpoint_seconds=seconds, display=KillAt(step)
            )
    train_text([english], broken, settings)
    assert_equal_models(straight, broken)


REGULARIZED = {
    **{"embedding_dropout": 0.1, "input_dropout": 0.1, "weight_drop": 0.2, "zoneout": 0.1},
    **{"recurrent_dropout": 0.1, "activation_penalty": 2.0, "change_penalty": 1.0, "layers": 2},
}


@pytest.mark.parametrize(
    "changes",
    [
        {"tie": True, "optimizer": "ntasgd", "learning_rate": 1.0, **REGULARIZED},
        {"tie": True, "embedding": 12},
        {"softmax": "adaptive", "hidden": 16, **REGULARIZED},
    ],
)
def test_every_kind_of_output_survives_a_kill_and_learns(english, small, tmp_path, changes):
    settings = small(tokens="words", minimum_count=1, **changes)
    straight, broken = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    progress = train_text([english], straight, settings)
    assert progress.history[-1].validation < progress.history[0].validation
    for step in (14, 23):
        with pytest.raises(KilledError):
            train_text([english], broken, settings, checkpoint_seconds=0, display=KillAt(step))
    train_text([english], broken, settings)
    assert_equal_models(straight, broken)


def test_a_tied_embedding_is_stored_once(english, small, tmp_path):
    train_text([english], tmp_path / "m.safetensors", small(tie=True, embedding=9, steps=2))
    assert {name for name in results(tmp_path / "m.safetensors")[0] if "recurrent" not in name} == {
        *("embedding.weight", "head.bias", "head.projection.weight")
    }


def test_the_adaptive_softmax_ranks_tokens_as_the_text_has_them(english, small, tmp_path):
    settings = small(tokens="words", minimum_count=1, softmax="adaptive", steps=2)
    train_text([english], tmp_path / "m.safetensors", settings)
    model = gw.load(tmp_path / "m.safetensors")
    words = model.tokenizer.words
    first = [words[k] for k in model.model.head.rank.argsort()[:3]]
    text = english.read_text()
    counts = [len(re.findall(rf"(?<!\w){re.escape(word)}(?!\w)", text)) for word in (first[1], "a")]
    assert set(first) <= {".", ",", "the", "\n", "of", "is", '"', "a", "to"}
    assert counts[0] >= counts[1]
    assert model.config["model"]["cutoffs"] == [len(words) // 20, len(words) // 4]


def test_the_carried_state_is_part_of_the_checkpoint(english, small, tmp_path):
    settings = small(dropout=0.0, clip=0.0)
    straight, first, second = Losses(), Losses(), Losses()
    train_text([english], tmp_path / "a.safetensors", settings, display=straight)
    first.stepped = KillAt(24).stepped
    with pytest.raises(KilledError):
        train_text([english], tmp_path / "b.safetensors", settings, display=first)
    train_text([english], tmp_path / "b.safetensors", settings, display=second)
    assert min(second.seen) == 21  # the checkpoint of the validation at 20
    assert second.seen == {step: straight.seen[step] for step in second.seen}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops_and_the_run_goes_on(english, small, tmp_path, number):
    class Interrupt(Display):
        def stepped(self, progress, loss, spent):
            if progress.step == 17:
                signal.raise_signal(number)

    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    straight, broken = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    train_text([english], straight, small())
    with pytest.raises(Stopped):
        train_text([english], broken, small(), checkpoint_seconds=1e9, display=Interrupt())
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    losses = Losses()
    train_text([english], broken, small(), display=losses)
    assert min(losses.seen) == 18
    assert_equal_models(straight, broken)


def test_a_stop_during_validation_is_not_lost(english, small, tmp_path):
    class Interrupt(Display):
        count = 0

        def validating(self):
            self.count += 1
            if self.count == 2:
                signal.raise_signal(signal.SIGINT)

    straight, broken = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    train_text([english], straight, small())
    with pytest.raises(Stopped):
        train_text([english], broken, small(), checkpoint_seconds=1e9, display=Interrupt())
    losses = Losses()
    train_text([english], broken, small(), display=losses)
    assert min(losses.seen) == 21
    assert_equal_models(straight, broken)


def unfinished(english, output, settings, **options):
    with pytest.raises(KilledError):
        train_text([english], output, settings, display=KillAt(12), **options)


def test_a_run_does_not_go_on_with_other_settings(english, small, tmp_path):
    output = tmp_path / "m.safetensors"
    unfinished(english, output, small())
    message = "--hidden was 12, now 13; --epochs was not given, now 1; --steps was 30, now not"
    with pytest.raises(RunError, match=message):
        train_text([english], output, small(hidden=13, steps=None, epochs=1))
    with pytest.raises(RunError, match="--cell was lstm, now elman"):
        train_text([english], output, small(cell=elman))
    train_text([english], output, small(hidden=13), restart=True)
    assert read_model_file(output).tensors["head.weight"].shape[1] == 13


def test_a_run_goes_on_with_the_forget_bias_it_began_with(english, small, tmp_path):
    straight, broken = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    settings = small(forget_bias=2.0)
    train_text([english], straight, settings)
    assert "| forget-bias | 2.0 |" in straight.with_suffix(".md").read_text()
    unfinished(english, broken, settings, checkpoint_seconds=0)
    with pytest.raises(RunError, match=r"--forget-bias was 2\.0, now not given"):
        train_text([english], broken, small())
    train_text([english], broken, settings)
    assert_equal_models(straight, broken)
    train_text([english], broken, small(), restart=True)
    assert results(straight)[1] != results(broken)[1]


def test_a_run_does_not_go_on_with_another_text(english, small, tmp_path):
    output = tmp_path / "m.safetensors"
    unfinished(english, output, small())
    moved = english.rename(tmp_path / "moved.txt")
    english.write_text(moved.read_text().replace("the", "THE"))
    with pytest.raises(RunError, match=r"english\.txt has changed since"):
        train_text([english], output, small())
    with pytest.raises(RunError, match=r"the text was .*english\.txt, now .*moved.txt, .*english"):
        train_text([moved, english], output, small())
    with pytest.raises(RunError, match="the validation text was not given, now"):
        train_text([moved], output, small(), validation=[english])
    train_text([moved], output, small())  # the same text elsewhere is the same text


def test_a_run_without_a_checkpoint_has_nothing_to_lose(english, small, tmp_path):
    output = tmp_path / "m.safetensors"
    with pytest.raises(KilledError):
        train_text([english], output, small(), display=KillAt(3), checkpoint_seconds=1e9)
    train_text([english], output, small(hidden=13))
    assert read_model_file(output).tensors["head.weight"].shape[1] == 13


def test_a_device_that_is_not_there_is_named(english, small, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RunError, match="--device cuda: this machine has none"):
        train_text([english], tmp_path / "m.safetensors", small(device="cuda"))
    assert os.listdir(tmp_path) == ["english.txt"]


def test_a_finished_model_is_not_overwritten_unasked(english, small, tmp_path):
    output = tmp_path / "m.safetensors"
    train_text([english], output, small())
    before = output.read_bytes()
    with pytest.raises(RunError, match="exists already"):
        train_text([english], output, small())
    assert output.read_bytes() == before
    train_text([english], output, small(seed=1), restart=True)
    assert output.read_bytes() != before


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        ("short", {}),
        (b"\0binary" * 99, {}),
        ("long enough " * 99, {"batch_size": 2000}),
        ("long enough " * 99, {"cell": "cfc"}),
        ("long enough " * 99, {"cell": "sru", "embedding": 7}),
    ],
)
def test_bad_input_leaves_nothing(small, tmp_path, content, changes):
    (tmp_path / "t").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"\w{3}"):
        train_text([tmp_path / "t"], tmp_path / "m.safetensors", small(**changes))
    assert os.listdir(tmp_path) == ["t"]


def test_outputs_that_cannot_be_are_refused(english, small, tmp_path):
    for output, message in [
        (tmp_path / "model.txt", "is called something.safetensors"),
        (english, "is called something.safetensors"),
        (tmp_path / "d.safetensors", "is a folder"),
    ]:
        (tmp_path / "d.safetensors").mkdir(exist_ok=True)
        with pytest.raises(RunError, match=message):
            train_text([english], output, small())
    text = english.rename(tmp_path / "text.safetensors")
    with pytest.raises(RunError, match="is the file to read"):
        train_text([text], text, small(), restart=True)
    for ending in (".md", ".html", ".png", ".mid"):
        text = text.rename(tmp_path / f"text{ending}")
        with pytest.raises(RunError, match=f"text{ending}: is the file to read, but a file beside"):
            train_text([text], tmp_path / "text.safetensors", small(), restart=True)


def test_divergence_is_an_error(english, small, tmp_path):
    settings = small(optimizer="sgd", learning_rate=1e38, clip=0.0)
    with pytest.raises(RunError, match=r"diverged.*smaller --learning-rate"):
        train_text([english], tmp_path / "m.safetensors", settings)


def test_training_ends_early_when_nothing_improves(english, small, tmp_path):
    settings = small(steps=1000, learning_rate=1e-12, patience=3)
    progress = train_text([english], tmp_path / "m.safetensors", settings)
    assert progress.step <= 60
    assert progress.waited == 3
    assert read_model_file(tmp_path / "m.safetensors").training["step"] == progress.best.step


def test_a_time_budget_ends_in_time_and_is_measured_on_the_way(english, small, tmp_path):
    settings = small(steps=None, minutes=0.03, validate_every=100_000)
    progress = train_text([english], tmp_path / "m.safetensors", settings)
    assert 1.8 <= progress.seconds < 4
    assert len(progress.history) >= 5
    assert progress.history[-1].step == progress.step


def test_epochs_are_counted(english, small, tmp_path):
    settings = small(steps=None, epochs=0.5, validate_every=None)
    progress = train_text([english], tmp_path / "m.safetensors", settings)
    assert progress.history[-1].epoch == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("tokens", ["words", "bpe"])
def test_bits_per_character_count_characters(english, small, tmp_path, tokens):
    train_text([english], tmp_path / "m.safetensors", small(tokens=tokens))
    facts = read_model_file(tmp_path / "m.safetensors").training
    ratio = facts["validation_bits_per_character"] / facts["validation_nats_per_token"]
    assert 0.2 < ratio < 1  # 1.44 bits in a nat, and several characters in a token


def test_the_files_encoding_and_order_make_the_text(small, tmp_path):
    (tmp_path / "a").write_bytes("é à ".encode("latin-1") * 40)
    (tmp_path / "b").write_bytes(b"b " * 80)
    output = tmp_path / "m.safetensors"
    train_text([tmp_path / "a", tmp_path / "b"], output, small(steps=1), encoding="latin-1")
    assert read_model_file(output).config["tokenizer"]["characters"] == "\n bàé"
