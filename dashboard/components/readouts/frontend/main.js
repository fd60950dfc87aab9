/** The read-outs: the state in a sentence, the figures beside those of retraining, the loss balance and the clock. */
import { keepInstance } from "../laf-lab.feed/dom.js";
import { storeOf } from "../laf-lab.feed/store.js";
import { Readouts } from "./readouts.js";

export default function readouts({ data, parentElement, setTriggerValue }) {
  const { instance, cleanUp } = keepInstance(parentElement, () => new Readouts(parentElement));
  instance.onLayers = () => setTriggerValue("layers", Date.now());
  instance.onRequests = () => setTriggerValue("requests", Date.now());
  instance.balance.chain = data.chain;
  instance.balance.requests = data.requests;
  instance.show(storeOf(data.run));
  instance.retheme();
  return cleanUp;
}
