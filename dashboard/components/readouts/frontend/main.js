/** The read-outs: where things stand, the numbers beside retraining's, the balance of the losses, the clock. */
import { keepInstance } from "../laf-lab.feed/dom.js";
import { storeOf } from "../laf-lab.feed/store.js";
import { Readouts } from "./readouts.js";

export default function readouts({ data, parentElement, setTriggerValue }) {
  const { instance, cleanUp } = keepInstance(parentElement, () => new Readouts(parentElement));
  instance.onLayers = () => setTriggerValue("layers", Date.now());
  instance.show(storeOf(data.run));
  instance.retheme();
  return cleanUp;
}
