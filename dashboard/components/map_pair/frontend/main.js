/** Two maps with one pointer. Streamlit calls this at each packet, rerun and theme change. */
import { unpack } from "../laf-lab.feed/decode.js";
import { keepInstance } from "../laf-lab.feed/dom.js";
import { Pair } from "./pair.js";

export default function pair({ data, parentElement }) {
  const { instance, cleanUp } = keepInstance(parentElement, () => new Pair(parentElement));
  if (data?.byteLength) {
    const { header, arrays } = unpack(data);
    instance.show(header, arrays);
  }
  instance.retheme();
  return cleanUp;
}
