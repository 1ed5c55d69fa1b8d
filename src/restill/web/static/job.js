// What can be done with the chosen file now: start, pause, go on, stop, download; and how far it is.

import { api } from "./api.js";
import { h, icon, put, text } from "./dom.js";
import { bytes, left, percent, share } from "./format.js";
import { stateWords } from "./queue.js";

/** Sends "start", "startAll", "again" (try another upload), "change" (other settings) and "error" with a message. */
export class Job extends EventTarget {
  constructor(words) {
    super();
    this.words = words;
    this.line = h("p", { class: "line" });
    this.bar = h("progress", { max: "1", "aria-label": "Progress" });
    this.notes = h("ul", { class: "notes" });
    this.buttons = h("div", { class: "buttons" });
    this.element = h("div", { class: "job" }, this.bar, this.line, this.notes, this.buttons);
  }

  /** @param {number} ready How many rows can be started. */
  show(row, ready) {
    text(this.line, this.say(row));
    const moving = ["uploading", "checking", "waiting", "running", "paused"].includes(row.state);
    this.bar.hidden = !moving;
    if (row.state === "checking" || row.state === "waiting") this.bar.removeAttribute("value");
    else this.bar.value = row.local ? row.sent / Math.max(1, row.size) : share(row);
    const notes = row.state === "done" ? (row.notes ?? []) : [];
    this.notes.hidden = !notes.length;
    if (this.notes.children.length !== notes.length) put(this.notes, notes.map((note) => h("li", {}, note)));
    // Buttons are made again only when they change, so that the focus stays.
    const kinds = this.kinds(row, ready);
    const key = `${row.id} ${kinds.join()} ${ready} ${row.result?.name}`;
    if (key === this.key) return;
    const focused = this.buttons.contains(document.activeElement);
    this.key = key;
    put(this.buttons, kinds.map((kind) => this.button(kind, row, ready)));
    if (focused) this.buttons.querySelector("button, a")?.focus();
  }

  say(row) {
    switch (row.state) {
      case "running": {
        const speed = row.fps_now ? `${row.fps_now.toFixed(row.fps_now < 10 ? 1 : 0)} frames a second` : "";
        return [percent(share(row)), speed, left(row.seconds_left)].filter(Boolean).join(" · ");
      }
      case "ready":
        return "";
      case "uploading":
        return row.local ? stateWords(row) : "Drop this file again, and its upload goes on.";
      case "failed":
        return ""; // the stage says why
      case "done":
        return row.result ? `${row.result.name} · ${bytes(row.result.size)}` : "Done";
      default:
        return `${stateWords(row)}.`;
    }
  }

  kinds(row, ready) {
    const start = ready > 1 ? ["start", "startAll"] : ["start"];
    const kinds = { ready: start, waiting: ["cancel"], running: ["pause", "cancel"], paused: ["resume", "cancel"] };
    if (row.state === "failed") return row.local || row.width ? ["again"] : [];
    if (row.state === "cancelled") return ["start"];
    if (row.state === "done") return row.open ? ["start", "download"] : ["download", "change"];
    return kinds[row.state] ?? [];
  }

  button(kind, row, ready) {
    const tell = (name) => this.dispatchEvent(new Event(name));
    const act = (verb) => () => api.act(row.id, verb).catch((error) => this.fail(error));
    const make = (label, onclick, props = {}) => h("button", { type: "button", onclick, ...props }, label);
    switch (kind) {
      case "start":
        return make(this.words.start, () => tell("start"), { class: "primary" });
      case "startAll":
        return make(`Start all ${ready}`, () => tell("startAll"));
      case "pause":
        return make("Pause", act("pause"));
      case "resume":
        return make("Resume", act("resume"), { class: "primary" });
      case "cancel":
        return make("Cancel", act("cancel"));
      case "again":
        return make("Try again", () => tell("again"), { class: "primary" });
      case "change":
        return make("Do it again", () => tell("change"));
      default:
        return h("a", { class: row.open ? "button" : "button primary", href: api.result(row.id), download: row.result?.name ?? "" }, icon("download"), "Download");
    }
  }

  fail(error) {
    this.dispatchEvent(Object.assign(new Event("error"), { message: error.message }));
  }
}

/** A message of the server with a capital letter and a period. */
export function sentence(message) {
  const whole = /[.!?]$/.test(message) ? message : `${message}.`;
  return whole[0].toUpperCase() + whole.slice(1);
}
