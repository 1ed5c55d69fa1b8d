// The line between before and after: a slider for pointers, keys and screen readers.

import { h } from "./dom.js";

const STEP = 2; // percent an arrow key moves
const LEAP = 10; // percent Page Up and Page Down move

/** Sends a "move" event when it moves. `share` is the part of the width left of it, 0 to 1. */
export class Divider extends EventTarget {
  constructor() {
    super();
    this.element = h(
      "div",
      { class: "divider", role: "slider", tabindex: "0", "aria-valuemin": "0", "aria-valuemax": "100", "aria-orientation": "horizontal" },
      h("span", { class: "grip", "aria-hidden": "true" }),
    );
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.name("Before", "After");
    this.to(50);
  }

  get share() {
    return this.value / 100;
  }

  /** What the two sides are called. */
  name(left, right) {
    this.sides = [left, right];
    this.element.setAttribute("aria-label", `${left} and ${right.toLowerCase()}`);
  }

  /** Move to a percentage. */
  to(value) {
    this.value = Math.min(100, Math.max(0, value));
    const whole = Math.round(this.value);
    this.element.style.left = `${this.value}%`;
    this.element.setAttribute("aria-valuenow", String(whole));
    const [left, right] = this.sides;
    this.element.setAttribute("aria-valuetext", `${left} ${whole} %, ${right.toLowerCase()} ${100 - whole} %`);
    this.dispatchEvent(new Event("move"));
  }

  key(event) {
    const moves = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP, PageDown: -LEAP, PageUp: LEAP };
    const { key } = event;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (key === "Home") this.to(0);
    else if (key === "End") this.to(100);
    else if (key in moves) this.to(this.value + moves[key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
