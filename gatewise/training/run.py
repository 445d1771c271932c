"""What every run of training shares: where it writes, what it is made of, how it goes on."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from gatewise.data import processes
from gatewise.training.checkpoint import Progress, RunError, RunFolder
from gatewise.training.fit import fit
from gatewise.training.launch import current_launch
from gatewise.training.plan import AnyTask, Display, Run

Result = TypeVar("Result")

BESIDE = (".md", ".html", ".png", ".mid")  # endings of what stands beside a model file


class Source(Protocol):
    """A file that is learned from."""

    @property
    def path(self) -> Path: ...  # noqa: D102 - where it lies

    @property
    def encoding(self) -> str | None: ...  # noqa: D102 - of a text; None for what is none

    def digest(self) -> str:
        """Return the SHA-256 of the file's bytes, in hexadecimal."""
        ...

    def stamp(self) -> dict[str, int]:
        """Return what changes with the file: equal stamps need no new digest."""
        ...


def open_folder(
    output: Path,
    device: str,
    sources: Sequence[str | os.PathLike[str]],
    restart: bool,
    prepared: Sequence[str] = (),
) -> RunFolder:
    """Return the folder of a run, not yet entered.

    Args:
        output: The model file to make.
        device: What is trained on.
        sources: The files that are learned from.
        restart: Whether the run begins anew, whatever is there.
        prepared: Names of the files in the folder that hold the data, made ready.

    Raises:
        RunError: The machine has no such device, or the model file cannot be made there.
    """
    refuse_device(device)
    folder = RunFolder(output, prepared, restart)
    refuse_output(output, sources, folder, restart)
    return folder


def refuse_device(device: str) -> None:
    """Raise `RunError` if the machine has no such device."""
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if device in there and not there[device]():
        raise RunError(f"--device {device}: this machine has none that torch can use; try cpu")


def refuse_output(
    output: Path, sources: Sequence[str | os.PathLike[str]], folder: RunFolder, restart: bool
) -> None:
    """Raise `RunError` if the model file cannot be made there."""
    if not processes.is_first():
        return  # the first says so
    if output.suffix != ".safetensors":
        raise RunError(f"{output}: a model file is called something.safetensors")
    if output.is_dir():
        raise RunError(f"{output}: is a folder; name the model file in it")
    read = {Path(source).absolute() for source in sources}
    if output.absolute() in read:
        raise RunError(f"{output}: is the file to read; name another model file with -o")
    for ending in BESIDE:
        if output.with_suffix(ending).absolute() in read:
            raise RunError(
                f"{output.with_suffix(ending)}: is the file to read, but a file beside the model "
                "would take its place; name another model file with -o"
            )
    if output.exists() and not folder.exists() and not restart:
        raise RunError(
            f"{output}: exists already, and no unfinished run belongs to it; "
            "name another model file with -o, or train it anew with --restart"
        )


def describe_run(
    settings: dict[str, Any], sources: Mapping[str, Sequence[Source]], folder: RunFolder
) -> dict[str, Any]:
    """Return what identifies a run, JSON-ready; unchanged files are not read again.

    Args:
        settings: JSON-ready, by the names of the command line's options.
        sources: The files by what they are for, in words of a message: `"text"`,
            `"validation text"`.
        folder: Of the run, entered; it may hold the description of an unfinished one.
    """
    known = folder.read_description()
    before = {} if known is None else known["sources"]
    digests = {
        (each["path"], *each["stamp"].values()): each["digest"]
        for files in before.values()
        for each in files
    }

    def describe(file: Source) -> dict[str, Any]:
        path, stamp = str(file.path.absolute()), file.stamp()
        digest = digests.get((path, *stamp.values())) or file.digest()
        return {"path": path, "stamp": stamp, "encoding": file.encoding, "digest": digest}

    settings = {**settings, **current_launch().described()}
    files = {name: [describe(file) for file in files] for name, files in sources.items()}
    # as it will be read back: tuples are lists
    return json.loads(json.dumps({"settings": settings, "sources": files}))


def unfinished(now: dict[str, Any], folder: RunFolder) -> dict[str, Any] | None:
    """Return the description of the unfinished run that goes on, with what was prepared for it.

    Args:
        now: What `describe_run` returned.
        folder: Of the run, entered.

    Returns:
        What was last given to `folder.write_description`, or None where a run begins.

    Raises:
        RunError: The unfinished run has other settings or other files.
    """
    known = folder.read_description()
    faults = [] if known is None else differences(known, now)
    if known is None or not faults:
        return known
    if folder.checkpoint_path.exists():
        raise RunError(
            f"{folder.path} holds an unfinished run, but {'; '.join(faults)}. "
            "Give the same command to go on, --restart to begin anew, or another -o"
        )
    return None


def train_task(
    build: Callable[[Any], AnyTask],
    finish: Callable[[Run[AnyTask]], Result],
    settings: Any,
    folder: RunFolder,
    output: Path,
    display: Display,
    *,
    name: str,
    said: Sequence[str] = (),
    checkpoint_seconds: float = 30.0,
) -> Result:
    """Build a task from settings, and train it or go on with it; the caller's random state is kept.

    Args:
        build: Makes the task of settings; it may draw torch's random numbers.
        finish: Measures the best model and writes the report, before the folder goes; after a kill
            in it, it is called again.
        settings: Of the training, with a seed; with `--tune` a search fills them in.
        folder: Of the run, entered.
        output: The model file.
        display: Who is told how it goes.
        name: Of the data.
        said: What was found out about them, in sentences for the user.
        checkpoint_seconds: A checkpoint at least so often.

    Returns:
        What `finish` returned.

    Raises:
        RunError: See `fit`.
        Stopped: See `fit`.
        SystemExit: This process only helped another, which has the result.
    """
    processes.release()
    with torch.random.fork_rng(devices=[]):
        checkpoint = folder.read_checkpoint()
        try:
            if current_launch().tune:
                from gatewise.training.tuning.search import search

                settings = search(settings, build, folder, output, display)
            torch.manual_seed(settings.seed)
            task = build(settings)
            plan = replace(task.plan(), checkpoint_seconds=checkpoint_seconds)
        except ValueError:
            if checkpoint is None:
                folder.remove()
            raise
        if not processes.is_first():
            fit(task, plan, folder, output, Display())
            raise SystemExit  # it only helped
        progress = Progress() if checkpoint is None else checkpoint.progress
        run = Run(name, task, plan, output, progress, tuple(said))
        display.started(run)
        run = replace(run, progress=fit(task, plan, folder, output, display))
        display.measuring()
        result = finish(run)
    folder.remove()
    return result


def differences(known: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Say how settings and files differ from those of the unfinished run."""
    faults = [
        f"--{name.replace('_', '-')} was {show(known['settings'].get(name))}, now {show(value)}"
        for name, value in now["settings"].items()
        if known["settings"].get(name) != value
    ]
    faults += [
        f"--{name.replace('_', '-')} was {show(value)}, now not given"
        for name, value in known["settings"].items()
        if name not in now["settings"]
    ]
    for name, files in now["sources"].items():
        before = known["sources"].get(name, [])
        if [identity(each) for each in before] != [identity(each) for each in files]:
            faults.append(describe_change(name, before, files))
    return faults


def identity(source: dict[str, Any]) -> tuple[str, str]:
    """Return what makes a file the same, wherever it lies."""
    return source["digest"], source["encoding"]


def describe_change(name: str, before: list[dict[str, Any]], now: list[dict[str, Any]]) -> str:
    """Say how files differ."""
    was, are = [each["path"] for each in before], [each["path"] for each in now]
    if was == are:
        changed = [
            old["path"]
            for old, new in zip(before, now, strict=True)
            if identity(old) != identity(new)
        ]
        return f"{', '.join(changed)} has changed since, or is read in another encoding"
    return f"the {name} was {', '.join(was) or 'not given'}, now {', '.join(are) or 'not given'}"


def show(value: Any) -> str:
    """Show a setting's value."""
    if isinstance(value, dict):
        return str(value["name"])
    return "not given" if value is None else str(value)
