/** The sortable table, whose first column stays in view. Streamlit calls this at each new data, rerun and theme change. */
import { keepInstance } from "../laf-lab.feed/dom.js";
import { Table } from "./table.js";

export default function table({ data, parentElement, setTriggerValue }) {
  const { instance, cleanUp } = keepInstance(parentElement, () => new Table(parentElement));
  instance.onPick = (key) => setTriggerValue("pick", key);
  if (data) instance.show(data);
  instance.retheme();
  return cleanUp;
}
