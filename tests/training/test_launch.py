import pytest

from gatewise.training import launch
from gatewise.training.checkpoint import RunError
from gatewise.training.launch import current_launch, launched, processes_wanted


def test_a_launch_lasts_as_long_as_its_block(tmp_path):
    with launched(log=tmp_path / "logs"):
        assert current_launch().log == tmp_path / "logs"
    assert current_launch().log is None


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "logs").write_text("")
    with pytest.raises(RunError, match="name a folder"), launched(log=tmp_path / "logs"):
        pass


@pytest.mark.parametrize(("option", "value"), [("log", "logs"), ("tune", 3)])
def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, option, value):
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    message = rf"--{option} needs .*: pip install 'gatewise\[{option}\]'"
    with pytest.raises(RunError, match=message), launched(**{option: value}):
        pass


def test_what_to_try_needs_a_search():
    with pytest.raises(RunError, match="give both"), launched(tune_over=("hidden",)):
        pass


def test_torchrun_says_how_many_processes_there_are(monkeypatch):
    assert processes_wanted(None, None) == (1, 1)
    assert processes_wanted(2, 3) == (2, 3)
    for name, value in (("TORCHELASTIC_RUN_ID", "x"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WORLD_SIZE", "6")
    assert processes_wanted(None, None) == processes_wanted(2, 3) == (2, 3)
    with pytest.raises(RunError, match="--nodes 2: torchrun has started 3"):
        processes_wanted(2, 2)


def test_devices_that_are_not_there():
    with pytest.raises(RunError, match="--devices 2: "), launched(devices=2, device="mps"):
        pass
