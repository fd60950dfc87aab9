/** The timeline: how far each stage is, which frame is shown, scrubbing and replay, all without the server. */
import { keepInstance } from "../laf-lab.feed/dom.js";
import { storeOf } from "../laf-lab.feed/store.js";
import { Timeline } from "./timeline.js";

export default function timeline({ data, parentElement, setTriggerValue }) {
  const { instance, cleanUp } = keepInstance(parentElement, () => new Timeline(parentElement));
  instance.onTravel = (value) => setTriggerValue("travel", value);
  instance.show(storeOf(data.run));
  instance.retheme();
  return cleanUp;
}
