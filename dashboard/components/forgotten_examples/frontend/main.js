/** Ten images to forget with the answers before, now and of retrained models; they follow the shown step without server requests. */
import { keepInstance } from "../laf-lab.feed/dom.js";
import { storeOf } from "../laf-lab.feed/store.js";
import { Examples } from "./examples.js";

export default function forgottenExamples({ data, parentElement }) {
  const { instance, cleanUp } = keepInstance(parentElement, () => new Examples(parentElement));
  instance.show(storeOf(data.run));
  instance.retheme();
  return cleanUp;
}
