/** The timeline: progress of each stage, the shown frame, scrubbing and replay, without server requests. */
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
