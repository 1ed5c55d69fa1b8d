// The chosen file: its picture, the moment to try, the settings, and its job.

import { api } from "./api.js";
import { Compare } from "./compare.js";
import { Controls } from "./controls.js";
import { announce, h, put, text } from "./dom.js";
import { facts, percent } from "./format.js";
import { Job, sentence } from "./job.js";
import { Moment } from "./moment.js";
import { Player } from "./player.js";
import { Previews } from "./previews.js";
import { stateWords } from "./queue.js";

const WATCH = 1500; // ms between two looks for new pieces
const BEFORE_JOB = ["ready", "failed", "cancelled"];
const HAS_PIECES = ["running", "paused", "done"];

/** Shows one row of the store at a time. Sends "startAll". */
export class Stage extends EventTarget {
  constructor(words, store, form) {
    super();
    Object.assign(this, { words, store, form, row: null, wanted: 0 });
    this.memory = new Map(); // id -> {at, seconds}: where the window was left
    this.opened = new Set(); // ids of finished files that are to be done again
    this.player = new Player();
    this.compare = new Compare();
    this.compare.name(...words.sides);
    this.controls = new Controls(this.player, this.compare);
    this.previews = new Previews();
    this.moment = new Moment();
    this.job = new Job(words);
    this.title = h("h1", {});
    this.facts = h("p", { class: "facts" });
    this.notice = h("p", { class: "notice", hidden: true });
    this.doing = h("span", {});
    this.busy = h("p", { class: "busy", hidden: true }, h("span", { class: "spinner", "aria-hidden": "true" }), this.doing);
    this.try = h("button", { type: "button", class: "try", onclick: () => this.ask() }, words.try);
    this.trying = h("div", { class: "trying" }, this.moment.element, this.moment.length, this.try);
    this.screen = h("div", { class: "screen" }, this.compare.element, this.busy);
    this.deck = h("div", { class: "deck" }, this.controls.element, this.compare.tools);
    const head = h("header", {}, this.title, this.facts);
    this.element = h("section", { class: "stage card", "aria-label": "Chosen file" }, head, this.notice, this.screen, this.deck, this.trying);
    this.settings = h("details", {}, h("summary", {}, "Settings"), form.element); // closed on narrow screens only
    this.side = h("section", { class: "card", "aria-label": "What to do" }, this.settings, this.job.element);
    this.listen();
  }

  listen() {
    const wide = matchMedia("(min-width: 901px)");
    const open = () => (this.settings.open = wide.matches);
    wide.addEventListener("change", open);
    open();
    this.previews.addEventListener("change", () => this.update());
    this.moment.addEventListener("move", () => this.moved());
    this.moment.addEventListener("moved", () => this.still());
    this.form.addEventListener("change", () => this.update());
    this.job.addEventListener("start", () => this.start([this.row]));
    this.job.addEventListener("again", () => (this.row.local ? this.store.again(this.row) : this.start([this.row])));
    this.job.addEventListener("startAll", () => this.dispatchEvent(new Event("startAll")));
    this.job.addEventListener("change", () => {
      this.opened.add(this.row.id);
      this.update();
    });
    this.job.addEventListener("error", (event) => this.wrong(event.message));
    this.player.addEventListener("broken", (event) => this.broken(event.url));
    for (const name of ["state", "frame"]) this.player.addEventListener(name, () => this.wait());
    setInterval(() => this.watch(), WATCH);
  }

  /** Where the window of the chosen file was left; at first in the middle. */
  kept() {
    const { row } = this;
    if (!this.memory.has(row.id)) {
      const pixels = (row.width || 0) * (row.height || 0);
      const seconds = pixels > 1.5e6 ? 1 : pixels > 6e5 ? 2 : 3; // what a plain computer cleans in some seconds
      this.memory.set(row.id, { seconds, at: Math.max(0, ((row.duration || 0) - seconds) / 2) });
    }
    return this.memory.get(row.id);
  }

  /** @param {number} ready How many rows can be started. */
  show(row, ready) {
    const other = this.row?.id !== row.id;
    const before = this.row;
    Object.assign(this, { row, ready });
    if (other) this.turnTo(row);
    if (row.width && (other || !before.width || (before.duration ?? 0) !== (row.duration ?? 0))) {
      const { at, seconds } = this.kept();
      this.form.show(row.kind);
      this.moment.show(row.id, this.clip() ? row.duration || 0 : 0, row.width / row.height, at, seconds);
      if (this.store.mine.delete(row.id) && row.state === "ready") this.ask();
      this.still();
    }
    if (!other && before.state !== row.state) {
      if (row.state === "running") this.opened.delete(row.id);
      this.watch();
    }
    this.update();
  }

  clip() {
    return this.row.kind !== "picture";
  }

  turnTo(row) {
    this.player.clear();
    this.compare.clear();
    this.source = this.told = null;
    text(this.title, row.name);
    this.wrong("");
    this.watch();
  }

  update() {
    const { row } = this;
    if (!row) return;
    const preview = this.previews.get(row.id);
    const open = row.state === "done" && this.opened.has(row.id);
    const prepares = row.width && (BEFORE_JOB.includes(row.state) || open);
    text(this.facts, facts(row));
    this.trying.hidden = this.settings.hidden = !prepares;
    this.tries = preview?.state === "running";
    const part = preview?.fps && preview.frames ? percent(Math.min(1, preview.frames / (preview.fps * preview.seconds))) : "";
    this.does = row.width ? `${this.words.busy} ${part}` : `${stateWords(row)} …`;
    this.wait();
    text(this.try, this.clip() ? this.words.try : "Try it");
    this.try.disabled = preview?.state === "running";
    this.try.classList.toggle("stale", preview?.state === "done" && preview.asked !== JSON.stringify(this.question()));
    this.job.show({ ...row, open }, this.ready);
    this.screen.hidden = !row.width && (row.state === "failed" || (row.state === "uploading" && !row.local));
    this.screen.classList.toggle("void", !row.width);
    this.deck.hidden = !row.width;
    this.side.hidden = row.state === "failed" && !row.width && !row.local;
    if (row.state === "failed" && this.told !== row.message) this.wrong((this.told = row.message));
    if (preview?.state === "failed" && !preview.told) {
      preview.told = true;
      this.wrong(preview.message);
    }
    if (prepares && preview?.state !== "running") this.moment.fill(); // not beside a preview, which it would slow
    if (this.fits(preview) && this.source !== preview && (prepares || !this.pieces())) this.play(preview);
  }

  /** Say what the picture waits for. */
  wait() {
    const { row, tries, player } = this;
    this.busy.hidden = Boolean(row?.width) && !tries && !player.waiting;
    if (!this.busy.hidden) text(this.doing, tries || !row?.width ? this.does : "Getting these seconds …");
  }

  /** A video cannot be played: the server has forgotten a preview, or has another list of pieces by now. */
  broken(url) {
    const preview = !this.pieces();
    if (!preview && this.broke === url) return this.wrong("The browser cannot play these seconds.");
    this.broke = url;
    this.player.clear();
    this.source = null;
    if (!preview) return; // the list is read again soon
    this.previews.forget(this.row.id);
    this.wrong("This moment cannot be shown any more. Try it again.");
    this.still();
  }

  pieces() {
    return this.source === "pieces";
  }

  /** Whether a preview is of the moment that is chosen now. */
  fits(preview) {
    return preview?.state === "done" && preview.at === this.question().at;
  }

  play(preview) {
    this.source = preview;
    this.player.clear();
    if (!preview.told) announce(this.words.tried);
    preview.told = true;
    if (preview.image) return this.picture(preview.image, true);
    this.controls.timing(preview.fps || this.row.fps, this.clip() ? preview.at : 0);
    this.player.set([{ url: preview.video, frames: preview.frames }], true);
    this.controls.autoplay();
  }

  /** Show one picture, or one with the picture before above the picture after. */
  async picture(url, stacked) {
    const { row, source } = this;
    const image = new Image();
    image.src = url;
    await image.decode().catch(() => null);
    if (row.id !== this.row.id || source !== this.source || !image.naturalWidth) return;
    const [width, height] = [image.naturalWidth, image.naturalHeight / (stacked ? 2 : 1)];
    const part = (y) => ({ image, x: 0, y, width, height });
    this.compare.show(stacked ? part(0) : null, part(stacked ? height : 0));
    this.controls.update();
  }

  question() {
    const { quality, ...settings } = this.form.value();
    return { at: this.clip() ? this.moment.at : 0, seconds: this.clip() ? Math.max(0.1, this.moment.seconds || this.row.duration || 1) : 1, ...settings };
  }

  ask() {
    this.wrong("");
    announce(this.words.busy);
    this.previews.ask(this.row.id, this.question());
  }

  moved() {
    if (!this.row) return;
    Object.assign(this.kept(), { at: this.moment.at, seconds: this.moment.wanted });
    this.update();
  }

  /** Show the picture at the moment, unless that moment was tried. */
  still() {
    const { row } = this;
    if (!row?.width || this.pieces()) return;
    const preview = this.previews.get(row.id);
    if (this.fits(preview)) return this.update();
    this.player.clear();
    // The first frame is there at once, so it is what is shown while the first preview is made.
    const at = this.clip() && preview?.state !== "running" ? this.moment.at : 0;
    this.source = `still ${at}`;
    this.picture(api.thumbnail(row.id, at), false);
  }

  /** Look for pieces of a job that are finished. */
  async watch() {
    const { row } = this;
    if (!row || row.local || !HAS_PIECES.includes(row.state) || document.hidden || !this.element.offsetParent) return;
    if (row.state !== "running" && this.pieces() && this.seen === row.state) return;
    const { pieces } = await api.watch(row.id).catch(() => ({ pieces: [] }));
    if (row.id !== this.row.id || !pieces.length || this.opened.has(row.id)) return;
    const first = !this.pieces();
    if (first) this.player.clear();
    this.source = "pieces";
    this.seen = row.state;
    if (!this.clip()) return this.picture(pieces[0].url, true);
    this.controls.timing(row.fps, pieces[0].start);
    this.player.set(pieces, row.state === "done");
    if (first) this.controls.autoplay();
  }

  /** Start rows with the settings of the form. */
  async start(rows) {
    this.wrong("");
    try {
      for (const row of rows) {
        this.form.show(row.kind);
        await api.start(row.id, this.form.value());
      }
    } catch (error) {
      this.wrong(error.message);
    }
    this.form.show(this.row.kind);
    this.watch();
  }

  wrong(message) {
    this.notice.hidden = !message;
    text(this.notice, message ? sentence(message) : "");
    if (message) announce(message);
  }
}
