// Where the picture lies in its box: fitted, or nearer and moved.

const NEAREST = 16; // times the fitted size
const WHEEL = 0.002; // how much a pixel of the wheel zooms
const KEYS = { "+": 1.25, "=": 1.25, "-": 0.8 };
const PAN = 40; // CSS pixels that an arrow key pans

/** Zoom and pan of a box. Sends "change". Lengths are CSS pixels. */
export class Zoom extends EventTarget {
  constructor() {
    super();
    this.scale = 1;
    this.x = 0; // of the picture's center, from the center of the box
    this.y = 0;
    this.box = { width: 1, height: 1 };
    this.picture = { width: 1, height: 1 };
  }

  /** The picture's place in the box: left, top, width and height. */
  place() {
    const { box, picture } = this;
    const fit = Math.min(box.width / picture.width, box.height / picture.height) * this.scale;
    const width = picture.width * fit;
    const height = picture.height * fit;
    return { left: (box.width - width) / 2 + this.x, top: (box.height - height) / 2 + this.y, width, height };
  }

  reset() {
    this.scale = 1;
    this.pan(-this.x, -this.y);
  }

  /** Zoom by a factor, about a point of the box. */
  by(factor, at = { x: this.box.width / 2, y: this.box.height / 2 }) {
    const scale = Math.min(NEAREST, Math.max(1, this.scale * factor));
    const grown = scale / this.scale;
    const [x, y] = [at.x - this.box.width / 2, at.y - this.box.height / 2];
    this.scale = scale;
    this.pan((x - this.x) * (1 - grown), (y - this.y) * (1 - grown));
  }

  /** Move the picture; its edge never passes the edge of the box. */
  pan(x, y) {
    const { width, height } = this.place();
    const [farX, farY] = [Math.max(0, (width - this.box.width) / 2), Math.max(0, (height - this.box.height) / 2)];
    this.x = Math.min(farX, Math.max(-farX, this.x + x));
    this.y = Math.min(farY, Math.max(-farY, this.y + y));
    this.dispatchEvent(new Event("change"));
  }

  /** Zoom with the wheel. At the fitted size the wheel scrolls the page on. */
  wheel(event, at) {
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    if (this.scale === 1 && pixels > 0 && !event.ctrlKey) return;
    event.preventDefault();
    this.by(Math.exp(-pixels * WHEEL * (event.ctrlKey ? 4 : 1)), at);
  }

  /** Zoom with + and -, fit with 0, and pan with the arrows. Says whether the key meant something. */
  key(key) {
    const moves = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] };
    if (key in KEYS) this.by(KEYS[key]);
    else if (key === "0") this.reset();
    else if (key in moves && this.scale > 1) this.pan(...moves[key]);
    else return false;
    return true;
  }
}
