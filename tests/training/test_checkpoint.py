import pytest
import torch

from gatewise.training.checkpoint import Checkpoint, Measurement, Progress, RunError, RunFolder


def checkpoint(step=3):
    history = [Measurement(2, 0.5, 3.0, 2.0), Measurement(3, 0.7, 2.5, 2.2)]
    return Checkpoint(Progress(step, (1, 2), 4.5, history), {"a": torch.ones(2)}, {"x": 1.5})


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "model.safetensors", prepared=["training.tokens"])


def test_a_checkpoint_comes_back(folder):
    with folder:
        assert folder.read_checkpoint() is None
        folder.write_checkpoint(checkpoint())
        found = folder.read_checkpoint()
    assert found.progress == checkpoint().progress
    assert found.numbers == {"x": 1.5}
    assert torch.equal(found.tensors["a"], torch.ones(2))


def test_progress_knows_the_best_and_how_long_ago_it_was():
    progress = checkpoint().progress
    assert progress.best.step == 2
    assert progress.waited == 1
    assert progress.validated_step == 3
    assert (Progress().best, Progress().waited, Progress().validated_step) == (None, 0, 0)


def test_a_score_decides_where_a_task_has_one(folder):
    history = [Measurement(2, 0.5, 3.0, 2.0, -0.8, {"accuracy": 0.8})]
    history.append(Measurement(3, 0.7, 2.5, 2.2, -0.9, {"accuracy": 0.9}))
    progress = Progress(3, (1, 2), 4.5, history)
    assert progress.best.step == 3
    assert progress.waited == 0
    with folder:
        folder.write_checkpoint(Checkpoint(progress, {"a": torch.ones(2)}, {}))
        assert folder.read_checkpoint().progress == progress


def test_one_run_at_a_time(folder, tmp_path):
    with folder, pytest.raises(RunError, match="another process trains"):
        RunFolder(tmp_path / "model.safetensors").__enter__()
    with folder:
        pass


def test_a_damaged_checkpoint_is_found(folder):
    with folder:
        folder.write_checkpoint(checkpoint())
        whole = folder.checkpoint_path.read_bytes()
        for damaged in (whole[:-1], whole[:-1] + b"x", b""):
            folder.checkpoint_path.write_bytes(damaged)
            with pytest.raises(RunError, match="--restart"):
                folder.read_checkpoint()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 0}'])
def test_a_damaged_description_is_found(folder, content):
    with folder:
        assert folder.read_description() is None
        folder.description_path.write_bytes(content)
        with pytest.raises(RunError, match="--restart"):
            folder.read_description()


def test_only_its_own_files_are_removed(folder):
    with folder:
        folder.write_checkpoint(checkpoint())
        folder.write_description({"settings": {}})
        (folder.path / "training.tokens").touch()
        (folder.path / "mine.txt").touch()
        folder.remove()
    assert [path.name for path in folder.path.iterdir()] == ["mine.txt"]
    (folder.path / "mine.txt").unlink()
    with folder:
        folder.remove()
    assert not folder.exists()


def test_a_run_that_begins_anew_finds_nothing(folder):
    with folder:
        folder.write_checkpoint(checkpoint())
    with folder:
        assert folder.read_checkpoint() is not None
    with RunFolder(folder.path.with_suffix(".safetensors"), restart=True) as again:
        assert again.read_checkpoint() is None


def test_a_file_in_the_way_is_named(folder):
    folder.path.touch()
    with pytest.raises(RunError, match="needed as a folder"):
        folder.__enter__()
