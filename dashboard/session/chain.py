"""The chain of requests of one Lab: its links, the way to each of them, and the next request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from core.data.later_request import remaining
from core.errors import LabError
from core.evaluation.metrics import evaluate
from core.experiments.chain.at_once import run_at_once
from core.experiments.chain.example import play_example
from core.experiments.outcome.judging import costs, figures
from core.experiments.session.experiment import Experiment
from core.methods.step import Step
from core.runs.records import Phase
from core.runs.storage import (
    ChainLink,
    Recorder,
    chain_links,
    later_runs,
    links_before,
    run_folder,
    setup_after,
)
from core.runtime.progress import Work
from dashboard.presentation.text.pages.lab import chain as say
from dashboard.presentation.wire.chain_balance import chain_balance
from dashboard.session.jobs.base import BackgroundJob, TaskScheduler

if TYPE_CHECKING:
    from core.data.images import Dataset
    from core.projection.projection import UmapBackend
    from core.runs.setup import Setup
    from dashboard.session.url_params import UrlRequest


class ChainTab(Protocol):
    """The parts of a Lab that a chain needs."""

    browser: str | None
    token: str
    experiment: Experiment

    @property
    def run_id(self) -> str | None:
        """The id of the kept run; None until a step is kept."""
        ...

    @property
    def not_kept(self) -> str | None:
        """The reason why the run is not written to disk, if it is not."""
        ...

    def change(
        self, setup: Setup, *, usual: bool = False, settings: Mapping[str, Any] | None = None
    ) -> str | None:
        """Open ``setup``; or change nothing and return a sentence that says why not."""
        ...

    def take_up(
        self, run_id: str, *, as_copy: bool = False, step: int | None = None, replay: bool = False
    ) -> str | None:
        """Open a kept run; or change nothing and return a sentence that says why not."""
        ...


@dataclass(frozen=True)
class NextRequest:
    """A choice of what to forget next."""

    task: str  # "class", "data" or "indices"
    classes: tuple[int, ...] = ()
    fraction: float | None = None
    ids: tuple[int, ...] = ()
    client: int | None = None  # who leaves next, for task "indices"


class AtOnceJob(BackgroundJob[dict[str, Any]]):
    """The run that forgets the images of all requests at once; its result are the figures as those of a link."""

    def begin(self, e: Experiment) -> None:
        """Start to play it for the requests of ``e`` so far."""
        self.start(_at_once(e))


class ExampleJob(BackgroundJob[str]):
    """The example chain of digits; its result is the id of its last run."""

    def begin(self, token: str | None, umap: UmapBackend) -> None:
        """Start to play it for the browser with ``token``."""
        self.start(play_example(token, umap=umap))


class LabChain:
    """The chain that the experiment of ``lab`` is a link of. A first request alone is a chain of one."""

    def __init__(self, lab: ChainTab, runner: TaskScheduler, umap: UmapBackend) -> None:
        self._lab = lab
        self._umap = umap
        self.job = AtOnceJob(runner)
        self.example = ExampleJob(runner)
        self._tip: str | None = (
            None  # the last request of the chain shown, which may be after the one that is open
        )
        self._opening: str | None = None  # the run that ``go`` opens, until it is there
        self._seen: tuple[Any, list[ChainLink]] | None = None
        self._shows_balance = False
        self._steps: dict[str, list[Step]] = {}  # of finished requests that are not open, by run

    @property
    def why_not(self) -> str | None:
        """The reason why no request can follow now; None where one can."""
        e = self._lab.experiment
        if e.run is None or e.driven.phase is not Phase.DONE:
            return say.NEEDS_A_FINISHED_RUN
        recorder = e.driven.recorder
        if not isinstance(recorder, Recorder) or not recorder.is_kept:
            return say.needs_a_kept_run(self._lab.not_kept or say.RUNS_ARE_NOT_KEPT)
        return None

    @property
    def rest(self) -> Dataset | None:
        """The images that remain, from which the next request is chosen; None before there are any."""
        split = self._lab.experiment.split
        return None if split is None else remaining(split)

    def forget_more(self, request: NextRequest) -> str | None:
        """Open the next request, whose original is the result of the run (of the fork while there is one).

        Or change nothing and return a sentence that says why not.
        """
        why = self.why_not
        if why is not None:
            return f"{why}."
        recorder = self._lab.experiment.driven.recorder
        assert isinstance(recorder, Recorder)
        try:
            setup = setup_after(recorder.id, self._lab.browser)
        except LabError as error:
            return str(error)
        problem = self._lab.change(_with(setup, request))
        if problem is None:
            self._tip = self._opening = None
        return problem

    def setup_of(self, asked: UrlRequest) -> Setup:
        """Return the setup that an address asks for, with the requests before it. Raises LabError where those are gone."""
        assert asked.setup is not None
        if asked.after is None:
            return asked.setup
        before = setup_after(asked.after, self._lab.browser)
        return replace(asked.setup, earlier=before.earlier, dataset=before.dataset, data_dir=before.data_dir)

    def begin_example(self) -> None:
        """Start to play and keep the example chain of digits in the background."""
        self.example.begin(self._lab.browser, self._umap)

    def open_example(self) -> str | None:
        """Open the last request of the example once it is there; return as ``Lab.take_up``."""
        run, self.example.result = self.example.result, None
        return None if run is None else self.go(run)

    def go(self, run: str) -> str | None:
        """Open another request of the chain; return as ``Lab.take_up``."""
        links = self.links
        problem = self._lab.take_up(run)
        if problem is None and links:
            self._tip, self._opening = links[-1].run, run
        return problem

    @property
    def open_run(self) -> str | None:
        """The kept run that is open, or is being opened; None for a request that has not begun."""
        return self._opening if self._lab.experiment.run is None else self._lab.run_id

    @property
    def number(self) -> int:
        """The number of the request that is open, from 1."""
        return len(self._lab.experiment.setup.earlier) + 1

    @property
    def links(self) -> list[ChainLink]:
        """The requests of the chain, first to last; [] where the open one is the only one."""
        e, run = self._lab.experiment, self.open_run
        key = (self._lab.token, run, e.phase, e.revision, e.verdict is not None, self._tip)
        if self._seen is None or self._seen[0] != key:
            self._seen = key, self._find(e.setup, run)
        return self._seen[1]

    @property
    def balance(self) -> list[dict[str, Any]] | None:
        """The losses of all requests, of ``chain_balance``; None until ``show_balance``, and where there is no chain."""
        links, here = self.links, self.open_run
        if not self._shows_balance or not links:
            return None
        others = [link for link in links if link.run != here and link.phase is not None]
        kept = {link.run: self._steps[link.run] for link in others if link.run in self._steps}
        read = {link.run: _steps_of(link.run) for link in others if link.run not in kept}
        self._steps = {run: steps for run, steps in (kept | read).items() if _is_done(run, others)}
        return chain_balance(links, kept | read, here)

    def show_balance(self) -> None:
        """Read the losses of all requests from now on: the user asked for them."""
        self._shows_balance = True

    def _find(self, setup: Setup, run: str | None) -> list[ChainLink]:
        if run is None:
            return links_before(setup.earlier, self._lab.browser)
        for tip in dict.fromkeys(t for t in (self._tip, *reversed(later_runs(run)), run) if t is not None):
            try:
                links = chain_links(tip, self._lab.browser)
            except LabError:
                continue
            if any(link.run == run for link in links):
                return links if len(links) > 1 else []
        return []

    def leave(self) -> None:
        """Stop the work for the open request: another run is opened."""
        self.job.close()
        self._opening = None

    def close(self) -> None:
        """Stop all work."""
        self.leave()
        self.example.close()


def _is_done(run: str, links: Sequence[ChainLink]) -> bool:
    return any(link.run == run and link.phase is Phase.DONE for link in links)


def _steps_of(run: str) -> list[Step]:
    """Return the steps of a kept run; [] where they are damaged or gone, which the strip tells."""
    try:
        return run_folder(run).read_steps()
    except LabError:
        return []


def _with(setup: Setup, request: NextRequest) -> Setup:
    now = replace(
        setup,
        task=request.task,
        classes=request.classes,
        fraction=request.fraction,
        ids=request.ids,
        client=request.client,
    )
    # the paper's settings are those of one request on the paper's data
    return replace(now, settings=now.usual_settings) if now.settings == "paper" else now


def _at_once(e: Experiment) -> Work[dict[str, Any]]:
    assert e.split is not None
    assert e.model is not None
    run = yield from run_at_once(e.setup, e.split, e.model)
    report = evaluate(run.result, e.split, references=[r.model for r in e.references])
    return {"unlearned": figures(report), **costs(run)}


__all__ = ["AtOnceJob", "ExampleJob", "LabChain", "NextRequest"]
