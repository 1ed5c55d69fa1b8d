// The list of files, with each one's state.

import { api } from "./api.js";
import { h, iconButton, text } from "./dom.js";
import { left, percent, share } from "./format.js";

/** A row's state in a few words. */
export function stateWords(row) {
  switch (row.state) {
    case "uploading":
      if (!row.local) return "Not all here. Drop it again.";
      return row.sending ? `Sending ${percent(row.sent / Math.max(1, row.size))}` : "Waits to be sent";
    case "checking":
      return "Looking at it";
    case "ready":
      return "Ready";
    case "waiting":
      return "Waits for its turn";
    case "running":
      return [percent(share(row)), left(row.seconds_left)].filter(Boolean).join(" · ");
    case "paused":
      return `Paused at ${percent(share(row))}`;
    case "done":
      return "Done";
    case "failed":
      return "Did not work";
    case "cancelled":
      return "Cancelled";
    default:
      return row.state;
  }
}

/** Sends "choose" with the id of a row, and "remove" with the row. */
export class Queue extends EventTarget {
  constructor() {
    super();
    this.element = h("ul", { class: "queue", "aria-label": "Files" });
    this.rows = new Map();
  }

  show(rows, chosen) {
    const ids = new Set(rows.map((row) => row.id));
    for (const [id, shown] of this.rows) {
      if (ids.has(id)) continue;
      shown.element.remove();
      this.rows.delete(id);
    }
    rows.forEach((row, index) => {
      const shown = this.rows.get(row.id) ?? this.make(row);
      if (this.element.children[index] !== shown.element) this.element.insertBefore(shown.element, this.element.children[index] ?? null);
      this.update(shown, row, row.id === chosen);
    });
  }

  make(row) {
    const tell = (name) => this.dispatchEvent(Object.assign(new Event(name), { id: row.id }));
    const picture = h("img", { alt: "", hidden: true, onload: () => (picture.hidden = false) });
    const [name, state] = [h("span", { class: "name" }, row.name), h("span", { class: "state" })];
    const bar = h("progress", { max: "1", value: "0", "aria-hidden": "true" });
    const button = h("button", { type: "button", class: "row", onclick: () => tell("choose") }, h("span", { class: "thumb" }, picture), h("span", { class: "what" }, name, state, bar));
    const remove = iconButton("close", `Remove ${row.name}`, () => tell("remove"), { class: "quiet remove" });
    const shown = { element: h("li", {}, button, remove), picture, button, state, bar };
    this.rows.set(row.id, shown);
    return shown;
  }

  update({ element, picture, button, state, bar }, row, chosen) {
    element.dataset.state = row.state;
    button.setAttribute("aria-current", String(chosen));
    text(state, stateWords(row));
    const moving = row.state === "uploading" || row.state === "running" || row.state === "paused";
    bar.hidden = !moving;
    bar.value = row.local ? row.sent / Math.max(1, row.size) : share(row);
    if (row.width && !picture.hasAttribute("src")) picture.src = api.thumbnail(row.id, 0);
  }
}
