// A strip of small pictures of the clip, and a window over it: the moment to try.

import { api } from "./api.js";
import { h, put } from "./dom.js";
import { clock } from "./format.js";

const LENGTHS = [1, 2, 3, 5, 10]; // seconds
const PICTURES = [3, 12]; // fewest and most in the strip

/** Sends "move" while the window moves, and "moved" when it rests. `at` and `seconds` say where it is. */
export class Moment extends EventTarget {
  constructor() {
    super();
    this.at = 0;
    this.duration = 0;
    this.wanted = 3;
    this.window = h("div", { class: "window", role: "slider", tabindex: "0", "aria-label": "Moment to try", "aria-valuemin": "0" });
    this.pictures = h("div", { class: "pictures", "aria-hidden": "true" });
    this.strip = h("div", { class: "strip" }, this.pictures, this.window);
    this.length = h("select", { "aria-label": "Length of the moment" });
    this.length.addEventListener("change", () => {
      this.wanted = Number(this.length.value);
      this.move(this.at);
      this.dispatchEvent(new Event("moved"));
    });
    this.element = h("div", { class: "moment" }, this.strip);
    this.window.addEventListener("keydown", (event) => this.key(event));
    this.listen();
  }

  get seconds() {
    return Math.min(this.wanted, this.duration);
  }

  /** Show a clip: its id, its duration in seconds, its width over its height, and where the window was left. */
  show(id, duration, ratio, at, wanted) {
    if (this.id !== id) put(this.pictures);
    Object.assign(this, { id, duration, ratio, wanted });
    const fitting = LENGTHS.filter((length, index) => length < duration || index === 0);
    put(this.length, fitting.map((length) => h("option", { value: length }, `${length} s`)));
    if (duration <= LENGTHS.at(-1)) this.length.append(h("option", { value: 10 }, "all of it"));
    this.length.value = String(wanted < duration && fitting.includes(wanted) ? wanted : 10);
    this.element.hidden = duration <= 1;
    this.move(at);
  }

  /** Fill the strip, once. */
  fill() {
    if (this.pictures.children.length || !this.strip.clientWidth) return;
    const { clientWidth, clientHeight } = this.strip;
    const [fewest, most] = PICTURES;
    const count = Math.min(most, Math.max(fewest, Math.round(clientWidth / (clientHeight * this.ratio))));
    put(this.pictures, h("img", { src: api.strip(this.id, count), alt: "", draggable: "false" }));
  }

  move(at) {
    const last = Math.max(0, this.duration - this.seconds);
    this.at = Math.min(last, Math.max(0, at));
    const { style } = this.window;
    style.left = `${(this.at / this.duration) * 100}%`;
    style.width = `${(this.seconds / this.duration) * 100}%`;
    this.window.setAttribute("aria-valuemax", last.toFixed(1));
    this.window.setAttribute("aria-valuenow", this.at.toFixed(1));
    const span = `${clock(this.at, true)} to ${clock(this.at + this.seconds, true)}`;
    this.window.setAttribute("aria-valuetext", span);
    this.dispatchEvent(new Event("move"));
  }

  key(event) {
    const tenth = this.duration / 10;
    const moves = { ArrowLeft: -0.5, ArrowDown: -0.5, ArrowRight: 0.5, ArrowUp: 0.5, PageDown: -tenth, PageUp: tenth };
    const { key } = event;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (key === "Home") this.move(0);
    else if (key === "End") this.move(this.duration);
    else if (key in moves) this.move(this.at + moves[key]);
    else return;
    event.preventDefault();
    this.dispatchEvent(new Event("moved"));
  }

  listen() {
    const { strip } = this;
    const time = (event) => {
      const { left, width } = strip.getBoundingClientRect();
      return ((event.clientX - left) / width) * this.duration;
    };
    let held = null; // how far the pointer is from the window's left edge, seconds
    strip.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      const at = time(event);
      const inside = at >= this.at && at <= this.at + this.seconds;
      held = inside ? at - this.at : this.seconds / 2;
      strip.setPointerCapture(event.pointerId);
      this.move(at - held);
      this.window.focus({ preventScroll: true });
    });
    strip.addEventListener("pointermove", (event) => held !== null && this.move(time(event) - held));
    for (const name of ["pointerup", "pointercancel"]) {
      strip.addEventListener(name, () => {
        if (held !== null) this.dispatchEvent(new Event("moved"));
        held = null;
      });
    }
  }
}
