"""A search for settings on validation before a training: `--tune`.

Each trial is the training itself with other settings and a tenth of its budget, ended early where
it falls behind the others. What counts is the loss: after so short a time it tells more than what
chooses the best model of a training, such as BLEU. The first trial is of the settings that a
training takes by itself. The study is a file in the run's folder, so that a search that was killed
goes on behind its last whole trial.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from gatewise.data import processes
from gatewise.data.whole_file import write_whole
from gatewise.training.checkpoint import Measurement, Progress, RunError, RunFolder
from gatewise.training.fit import fit
from gatewise.training.launch import current_launch
from gatewise.training.plan import Display, Plan, Task, Trial
from gatewise.training.schedule import Budget
from gatewise.training.tuning.space import find_space

SHARE = 0.1  # of the training's budget, for each trial
FEWEST = 20  # steps of a trial
MEASURED = 5  # validations of a trial
UNHURRIED = 4  # trials before any is ended early

Build = Callable[[Any], Task]


class FellBehindError(Exception):
    """A trial is worse than others were at this point."""


@dataclass
class Search:
    """A search for settings.

    Attributes:
        settings: Of the training, as given.
        build: Makes a task of settings.
        folder: Of the run, entered.
        output: The model file that the training will make.
        display: Who is told how it goes.
        count: How many trials.
        over: Names of the settings that are tried.
        study: What was tried so far; of the first process alone.
    """

    settings: Any
    build: Build
    folder: RunFolder
    output: Path
    display: Display
    count: int
    over: tuple[str, ...]
    study: Any = None

    def run(self) -> Any:
        """Return the settings with the best values found.

        Raises:
            RunError: No trial came to an end.
            Stopped: The user stopped it; it goes on behind its last whole trial.
        """
        if processes.is_first():
            self.study = open_study(self.folder, self.output, self.settings, self.over)
        done = int(processes.agreed(len(finished(self.study)) if self.study else 0))
        space = self.find_space() if done < self.count else {}
        for number in range(done, self.count):
            self.attempt(number, space)
        return replace(self.settings, **processes.told(self.conclude(done) if self.study else None))

    def find_space(self) -> dict[str, tuple[BaseDistribution, Any]]:
        """Return what is tried."""
        torch.manual_seed(self.settings.seed)
        return find_space(self.settings, self.build(self.settings), self.over)

    def attempt(self, number: int, space: dict[str, tuple[BaseDistribution, Any]]) -> None:
        """Make one trial."""
        asked = self.ask(number, space) if self.study else None
        values = processes.told(asked.params if asked else None)
        trial = Trial(number, self.count, values)
        watcher = Watcher(self.display, trial, asked)
        try:
            self.train(trial, watcher)
        except FellBehindError:
            watcher.outcome = "ended early"
        except ValueError as error:  # sizes that do not fit, or a loss that is no number
            if number == 0:
                raise
            watcher.outcome = str(error)
        else:
            watcher.outcome = "done"
        if asked is not None:
            self.tell(asked, watcher)
        self.display.tried(trial, watcher.measured, watcher.outcome)

    def ask(self, number: int, space: dict[str, tuple[BaseDistribution, Any]]) -> optuna.Trial:
        """Return the next trial; what it is depends on the seed and on the trials before alone."""
        self.study.sampler = optuna.samplers.TPESampler(
            seed=self.settings.seed + 1000 * number, n_startup_trials=max(4, self.count // 3)
        )
        if number == 0 and not self.study.get_trials(states=(TrialState.WAITING,)):
            self.study.enqueue_trial({name: usual for name, (_, usual) in space.items()})
        return self.study.ask({name: places for name, (places, _) in space.items()})

    def tell(self, asked: optuna.Trial, watcher: Watcher) -> None:
        """Keep what a trial found."""
        asked.set_user_attr("outcome", watcher.outcome)
        if watcher.measured is not None:
            asked.set_user_attr("measured", list(watcher.measured))
        if watcher.outcome == "done" and watcher.measured is not None:
            self.study.tell(asked, watcher.measured.validation)
        else:
            self.study.tell(asked, state=TrialState.PRUNED)

    def train(self, trial: Trial, watcher: Watcher) -> None:
        """Train by a trial's settings for a tenth of the budget."""
        torch.manual_seed(self.settings.seed)
        task = self.build(replace(self.settings, **trial.settings))
        name = f"{self.output.stem}-trial-{trial.number + 1}.safetensors"
        model = self.folder.path / name
        folder = RunFolder(model, restart=True)
        try:
            with folder:
                processes.release()
                fit(task, shortened(task.plan()), folder, model, watcher)
        finally:
            folder.remove()
            if processes.is_first():
                model.unlink(missing_ok=True)

    def conclude(self, done: int) -> dict[str, Any]:
        """Report the search, and return the best values."""
        from gatewise.training.tuning.report import write_tuning_report

        if not [each for each in finished(self.study) if each.state is TrialState.COMPLETE]:
            raise RunError("--tune: no trial came to an end; see --learning-rate and --steps")
        best = self.study.best_trial
        if done < self.count:
            write_tuning_report(self.output, finished(self.study), self.count)
            content = self.folder.study_path.read_bytes()
            write_whole(self.output.with_suffix(".tuning.db"), content)
        report = self.output.with_suffix(".tuning.html")
        self.display.tuned(Trial(best.number, self.count, best.params), measured(best), report)
        return best.params


class Watcher(Display):
    """Tells the display how a trial goes, and ends one that falls behind."""

    def __init__(self, display: Display, trial: Trial, asked: optuna.Trial | None):
        self.display, self.trial, self.asked = display, trial, asked
        self.measured: Measurement | None = None
        self.outcome = ""

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """See `Display.stepped`."""
        self.display.trying(self.trial, spent)

    def validated(self, progress: Progress) -> None:
        """See `Display.validated`."""
        self.measured = min(progress.history, key=lambda each: each.validation)
        behind = False
        if self.asked is not None:
            self.asked.report(progress.history[-1].validation, len(progress.history))
            behind = self.asked.should_prune()
        if processes.agreed(behind):
            raise FellBehindError


def search(settings: Any, build: Build, folder: RunFolder, output: Path, display: Display) -> Any:
    """Return the settings of a training with the best values that a search finds; see `Search`."""
    launch = current_launch()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return Search(settings, build, folder, output, display, launch.tune, launch.tune_over).run()


def shortened(plan: Plan) -> Plan:
    """Return the plan of a trial: a tenth of the budget, measured five times at least."""
    steps, minutes = plan.budget.steps, plan.budget.minutes
    if steps is not None:
        steps = min(steps, max(FEWEST, math.ceil(SHARE * steps)))
    every = plan.validate_every if steps is None else max(1, steps // MEASURED)
    return replace(
        plan,
        budget=Budget(steps, None if minutes is None else SHARE * minutes),
        validate_every=min(plan.validate_every, every),
        checkpoint_seconds=math.inf,  # a trial that is killed begins anew
    )


def open_study(
    folder: RunFolder, output: Path, settings: Any, over: tuple[str, ...]
) -> optuna.Study:
    """Return the study of these settings on these data, begun or gone on with."""
    known = folder.read_description() or {}
    digests = [each["digest"] for files in known.get("sources", {}).values() for each in files]
    identity = json.dumps([settings.to_dict(), digests, over], sort_keys=True)
    study = optuna.create_study(
        storage=f"sqlite:///{folder.study_path.absolute()}",
        study_name=f"{output.stem} {hashlib.sha256(identity.encode()).hexdigest()[:12]}",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=UNHURRIED, n_warmup_steps=1),
        load_if_exists=True,
    )
    for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(left.number, state=TrialState.FAIL)  # it was killed
    return study


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that came to an end."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def measured(trial: FrozenTrial) -> Measurement | None:
    """Return the best validation of a trial."""
    found = trial.user_attrs.get("measured")
    return None if found is None else Measurement(*found)
