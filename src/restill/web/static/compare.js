// A picture with two sides: before left of the divider, after right of it.

import { Divider } from "./divider.js";
import { h, iconButton } from "./dom.js";
import { Zoom } from "./zoom.js";

const SHARP = 3; // from this many screen pixels a picture's pixel on, pixels are drawn as squares
const SIDEWAYS = 8; // CSS pixels that a finger moves sideways before the divider follows; else it scrolls the page
const DIVIDER_REACH = 28; // CSS pixels around the divider that take hold of it

/**
 * Draws what `show` was given. A side is {image, x, y, width, height}: a part of an image or a video. The same side
 * twice, or a null `before`, shows one picture without a divider.
 */
export class Compare {
  constructor() {
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.divider = new Divider();
    this.zoom = new Zoom();
    this.left = h("span", { class: "side left", "aria-hidden": "true" });
    this.right = h("span", { class: "side right", "aria-hidden": "true" });
    this.element = h("div", { class: "compare", role: "group", tabindex: "0" }, this.canvas, this.left, this.right, this.divider.element);
    this.element.setAttribute("aria-label", "Picture. Zoom with plus and minus, pan with the arrow keys.");
    this.tools = h(
      "div",
      { class: "tools", role: "group", "aria-label": "Zoom" },
      iconButton("minus", "Zoom out", () => this.zoom.by(0.8)),
      iconButton("plus", "Zoom in", () => this.zoom.by(1.25)),
      iconButton("fit", "Show the whole picture", () => this.zoom.reset()),
    );
    this.pointers = new Map();
    this.room = { left: 0, right: 0 }; // the part of the width that each name needs
    this.clear();
    this.name("Before", "After");
    this.divider.addEventListener("move", () => this.paint());
    this.zoom.addEventListener("change", () => this.zoomed());
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.element);
  }

  /** What the two sides are called. */
  name(left, right) {
    this.left.textContent = left;
    this.right.textContent = right;
    this.divider.name(left, right);
    this.divider.to(this.divider.value);
  }

  /** Draw a frame. */
  show(before, after) {
    const { width, height } = after;
    const { picture } = this.zoom;
    Object.assign(this, { before, after });
    this.element.classList.toggle("single", !before);
    if (picture.width !== width || picture.height !== height) {
      this.zoom.picture = { width, height };
      this.element.style.setProperty("--ratio", `${width} / ${height}`);
      this.element.style.setProperty("--number", String(width / height));
      this.zoom.reset();
    }
    this.paint();
  }

  /** Draw nothing. */
  clear() {
    this.before = this.after = null;
    this.element.classList.add("single");
    this.paint();
  }

  paint() {
    const { canvas, context, zoom, divider } = this;
    const dense = canvas.width / Math.max(1, zoom.box.width); // device pixels a CSS pixel
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.left.style.opacity = divider.share < this.room.left ? "0" : "1";
    this.right.style.opacity = 1 - divider.share < this.room.right ? "0" : "1";
    if (!this.after) return;
    const place = zoom.place();
    const at = Math.round(canvas.width * divider.share);
    context.imageSmoothingEnabled = (place.width * dense) / this.after.width < SHARP;
    context.imageSmoothingQuality = "medium";
    const draw = (side, from, to) => {
      if (to <= from) return;
      context.save();
      context.beginPath();
      context.rect(from, 0, to - from, canvas.height);
      context.clip();
      const target = [place.left, place.top, place.width, place.height].map((length) => length * dense);
      context.drawImage(side.image, side.x, side.y, side.width, side.height, ...target);
      context.restore();
    };
    if (this.before) draw(this.before, 0, at);
    draw(this.after, this.before ? at : 0, canvas.width);
  }

  resize() {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || !height) return;
    this.zoom.box = { width, height };
    this.room = { left: (this.left.offsetWidth + 20) / width, right: (this.right.offsetWidth + 20) / width };
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    this.zoom.pan(0, 0);
  }

  zoomed() {
    this.element.classList.toggle("near", this.zoom.scale > 1);
    this.paint();
  }

  listen() {
    const { element, zoom } = this;
    const point = (event) => {
      const box = element.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    element.addEventListener("wheel", (event) => zoom.wheel(event, point(event)), { passive: false });
    element.addEventListener("dblclick", (event) => (zoom.scale > 1 ? zoom.reset() : zoom.by(3, point(event))));
    element.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !zoom.key(event.key)) return;
      event.preventDefault();
    });
    element.addEventListener("pointerdown", (event) => this.down(event, point(event)));
    element.addEventListener("pointermove", (event) => this.moved(event, point(event)));
    for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
  }

  down(event, at) {
    if (event.button > 0) return;
    const near = Math.abs(at.x - this.divider.share * this.zoom.box.width) < DIVIDER_REACH;
    this.grip = !this.element.classList.contains("single") && (near || this.zoom.scale === 1);
    this.element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, at);
    this.waits = event.pointerType === "touch" ? at.x : null;
    if (this.grip) this.divider.element.focus({ preventScroll: true });
    if (this.grip && event.pointerType === "mouse") this.slide(at);
  }

  moved(event, at) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    this.pointers.set(event.pointerId, at);
    if (others.length) {
      this.grip = false;
      this.pinch(before, at, others[0][1]);
    } else if (this.grip) this.follow(at);
    else this.zoom.pan(at.x - before.x, at.y - before.y);
  }

  follow(at) {
    if (this.waits !== null && Math.abs(at.x - this.waits) < SIDEWAYS) return;
    this.waits = null;
    this.slide(at);
  }

  slide(at) {
    this.divider.to((at.x / Math.max(1, this.zoom.box.width)) * 100);
  }

  pinch(before, now, other) {
    const apart = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
    const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
    this.zoom.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    this.zoom.by(apart(now, other) / Math.max(1, apart(before, other)), middle);
  }
}
