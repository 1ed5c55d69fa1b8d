// The bar under a moving picture: play, frame by frame, and a time line.

import { h, icon, iconButton, lessMotion, put, text } from "./dom.js";
import { clock } from "./format.js";

/** Joins a player and the picture that shows it. */
export class Controls {
  /**
   * @param {import("./player.js").Player} player
   * @param {import("./compare.js").Compare} compare
   */
  constructor(player, compare) {
    this.player = player;
    this.compare = compare;
    this.timing(25, 0);
    this.toggle = iconButton("play", "Play", () => this.playOrPause(), { class: "quiet play" });
    this.time = h("span", { class: "time" });
    this.line = h("input", { type: "range", min: "0", value: "0", step: "1", "aria-label": "Time" });
    this.line.addEventListener("input", () => {
      const frame = Number(this.line.value); // pausing draws the line again
      player.pause();
      player.seek(frame);
    });
    const back = iconButton("back", "One frame back", () => player.step(-1));
    const forward = iconButton("forward", "One frame on", () => player.step(1));
    this.element = h("div", { class: "controls" }, back, this.toggle, forward, this.line, this.time);
    player.addEventListener("frame", () => this.draw());
    player.addEventListener("state", () => this.update());
    compare.element.addEventListener("keydown", (event) => this.key(event));
    this.update();
  }

  /** Frames per second, and where the first frame is in the clip, seconds. */
  timing(fps, start) {
    Object.assign(this, { fps: fps || 25, start: start || 0 });
  }

  /** Play by itself, unless the user asked for less motion. */
  autoplay() {
    if (!lessMotion()) this.player.play();
  }

  playOrPause() {
    if (this.player.playing) this.player.pause();
    else this.player.play();
  }

  key(event) {
    if (this.element.hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " ") this.playOrPause();
    else if (event.key === ",") this.player.step(-1);
    else if (event.key === ".") this.player.step(1);
    else return;
    event.preventDefault();
  }

  draw() {
    const sides = this.player.sides();
    if (sides) this.compare.show(sides.before, sides.after);
    this.update();
  }

  update() {
    const { player } = this;
    const at = clock(this.start + player.frame / this.fps, true);
    this.element.hidden = player.total < 2;
    this.line.max = String(Math.max(0, player.total - 1));
    this.line.value = String(player.frame);
    text(this.time, player.playing ? at : `${at} · frame ${player.frame + 1}`);
    this.line.setAttribute("aria-valuetext", `${at}, frame ${player.frame + 1} of ${player.total}`);
    const name = player.playing ? "Pause" : "Play";
    if (this.toggle.title === name) return;
    this.toggle.title = name;
    this.toggle.setAttribute("aria-label", name);
    put(this.toggle, icon(name.toLowerCase()));
  }
}
