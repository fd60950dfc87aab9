"""Keeps the packets of one run that do not change, so that each is packed once."""

from __future__ import annotations

from collections.abc import Callable

from core.experiments.session.experiment import Experiment
from dashboard.presentation.wire import scene
from dashboard.presentation.wire.selection import pick_scene


class PacketCache:
    """The map's scene, the scene for picking images, and the last page of the gallery."""

    def __init__(self, experiment: Callable[[], Experiment], token: str) -> None:
        self._experiment = experiment
        self._token = token
        self._scene: bytes | None = None
        self._pick_scene: tuple[bytes, bytes] | None = None  # a scene, and the one for picking made from it
        self._page: tuple[object, bytes] | None = None  # key and content

    def scene(self) -> bytes:
        """Return everything on the map that does not change during the run."""
        experiment = self._experiment()
        if experiment.run is None:
            return scene.scene(experiment, self._token)
        if self._scene is None:
            self._scene = scene.scene(experiment, self._token)
        return self._scene

    def pick_scene(self) -> bytes:
        """Return the scene as a map to pick images from."""
        current = self.scene()
        if self._pick_scene is None or self._pick_scene[0] is not current:
            self._pick_scene = (current, pick_scene(current))
        return self._pick_scene[1]

    def page(self, key: object, make: Callable[[], bytes]) -> bytes:
        """Return the gallery's page ``key``; call ``make`` only if it is not the page of the last call."""
        if self._page is None or self._page[0] != key:
            self._page = (key, make())
        return self._page[1]
