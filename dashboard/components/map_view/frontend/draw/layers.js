/** The parts of the picture that are drawn on canvases of their own, again only when they changed: trails and the retrained models' cloud. */
import { fitCanvas } from "../../laf-lab.feed/dom.js";
import { drawCloud, drawTrails } from "./draw.js";
import { drawTrials, hasTrials } from "./trials.js";

export class Layers {
  constructor() {
    this.trails = document.createElement("canvas");
    this.cloud = document.createElement("canvas");
  }

  /** Draw everything again with the next picture: the camera is the same, but the map is new. */
  begin() {
    this.trailsKey = this.cloudKey = "";
  }

  /** Add to the stage the canvases that its picture needs. @returns {boolean} true if it has the cloud */
  add(stage) {
    const { view, references } = stage.store;
    const clouded = view.cloud && view.map === "fixed" && references.length > 1;
    if (clouded) stage.cloud = this.#cloud(stage);
    if ((view.trails && view.show !== "original") || (view.trials && hasTrials(stage.store))) stage.trails = this.#trails(stage);
    return clouded;
  }

  #trails(stage) {
    const { store, camera, theme, moving, xy } = stage;
    const fixed = moving || store.view.show !== "now"; // then the trails end at the drawn points
    const key = [camera.key, store.cursor, store.view.map, store.view.map === "follow" && store.followHeld, store.view.show, store.view.isolate, store.view.trails, store.view.trials, theme.dark, window.devicePixelRatio].join();
    if (key !== this.trailsKey || moving) {
      const context = fitCanvas(this.trails, camera.width, camera.height);
      context.clearRect(0, 0, camera.width, camera.height);
      if (store.view.trials && hasTrials(store)) drawTrials(context, stage);
      if (store.view.trails) drawTrails(context, stage, fixed ? xy : null);
      this.trailsKey = moving ? "" : key;
    }
    return this.trails;
  }

  /** Only the camera moves the retrained models' cloud. */
  #cloud(stage) {
    const { store, camera, theme } = stage;
    const key = [camera.key, store.retrained.rev, store.view.isolate, store.picks.ids.size, theme.dark, window.devicePixelRatio].join();
    if (key !== this.cloudKey) {
      const context = fitCanvas(this.cloud, camera.width, camera.height);
      context.clearRect(0, 0, camera.width, camera.height);
      drawCloud(context, stage);
      this.cloudKey = key;
    }
    return this.cloud;
  }
}
