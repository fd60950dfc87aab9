/** The gallery: a grid of thumbnails. Streamlit calls this at each page of images, rerun and theme change. */
import { unpack } from "../laf-lab.feed/decode.js";
import { keepInstance } from "../laf-lab.feed/dom.js";
import { storeOf } from "../laf-lab.feed/store.js";
import { Gallery } from "./gallery.js";

export default function gallery({ data, parentElement, setTriggerValue }) {
  const { instance, cleanUp } = keepInstance(parentElement, () => new Gallery(parentElement));
  instance.onPick = (moves) => setTriggerValue("pick", { moves });
  instance.onPage = (number) => setTriggerValue("page", { number });
  if (data?.byteLength) {
    const { header, arrays } = unpack(data);
    instance.show(storeOf(header.run), { ...header, ...arrays, sprite: header.sprite, atlas: arrays.sprite });
  }
  instance.retheme();
  return cleanUp;
}
