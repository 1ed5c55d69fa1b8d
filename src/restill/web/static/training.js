// The tab that follows training runs: how far, the losses, PSNR against the teacher's, and samples.

import { api } from "./api.js";
import { chart } from "./chart.js";
import { Compare } from "./compare.js";
import { h, put, text } from "./dom.js";
import { percent } from "./format.js";

const POLL = 5000; // ms
const SIDES = { before: "Before", after: "After", clean: "Clean" };
const PAIRS = { "before after": "Before and after", "after clean": "After and clean" };

/** Shows one run at a time, and reads it again every few seconds while the tab is open. */
export class Training {
  constructor() {
    this.name = null;
    this.pair = "before after";
    this.run = null;
    this.list = h("ul", { class: "queue runs", "aria-label": "Training runs" });
    this.title = h("h1", {});
    this.line = h("p", { class: "line" });
    this.bar = h("progress", { max: "1", value: "0", "aria-label": "Progress" });
    this.charts = h("div", { class: "charts" });
    this.compare = new Compare();
    this.pairs = h("select", { "aria-label": "What to compare", onchange: () => this.draw(this.pairs.value) });
    put(this.pairs, Object.entries(PAIRS).map(([value, label]) => h("option", { value }, label)));
    this.step = h("select", { "aria-label": "Sample", onchange: () => this.draw() });
    this.samples = h("div", { class: "samples" }, h("h2", {}, "Samples"), h("div", { class: "screen" }, this.compare.element), h("div", { class: "deck" }, this.step, this.pairs, this.compare.tools));
    this.stage = h("section", { class: "stage card", "aria-label": "Training run" }, h("header", {}, this.title), this.bar, this.line, this.charts, this.samples);
    this.none = h("div", { class: "empty" }, h("h1", {}, "Follow a training run here."), h("p", {}, "Start the page with ", h("code", {}, "restill web --runs runs"), ", where ", h("code", {}, "runs"), " is the folder that 'restill train' writes to."));
    this.some = h("div", { class: "filled", hidden: true }, this.stage, h("aside", { class: "column", "aria-label": "Runs" }, this.list));
    this.problem = h("p", { class: "notice", hidden: true });
    this.element = h("div", { class: "workbench" }, this.problem, this.none, this.some);
  }

  /** Start or stop reading. */
  follow(on) {
    clearInterval(this.timer);
    if (!on) return;
    this.timer = setInterval(() => document.hidden || this.read(), POLL);
    this.read();
  }

  async read() {
    try {
      const runs = await api.runs();
      this.none.hidden = runs.length > 0;
      this.some.hidden = !runs.length;
      if (!runs.length) return;
      this.name = runs.find(({ name }) => name === this.name)?.name ?? runs[0].name;
      this.showList(runs);
      const { name } = this;
      const run = await api.run(name);
      if (name === this.name) this.show(runs.find((each) => each.name === name), run);
      this.problem.hidden = true;
    } catch (error) {
      this.problem.hidden = false;
      text(this.problem, error.message);
    }
  }

  showList(runs) {
    const key = JSON.stringify([runs, this.name]);
    if (key === this.listed) return;
    this.listed = key;
    const focused = this.list.contains(document.activeElement);
    const row = ({ name, steps, of, state }) => {
      const words = [state, of ? percent(steps / of) : ""].filter(Boolean).join(" · ");
      const parts = [h("span", { class: "name" }, name), h("span", { class: "state" }, words)];
      const pick = () => {
        this.name = name;
        this.read();
      };
      return h("li", {}, h("button", { type: "button", class: "row", "aria-current": String(name === this.name), onclick: pick }, h("span", { class: "what" }, parts)));
    };
    put(this.list, runs.map(row));
    if (focused) this.list.querySelector("[aria-current=true]").focus();
  }

  show({ name, state }, run) {
    const other = this.run?.name !== name;
    this.run = { name, ...run };
    text(this.title, name);
    text(this.line, [`Step ${number(run.steps)}${run.of ? ` of ${number(run.of)}` : ""}`, state].join(" · "));
    this.bar.hidden = !run.of;
    this.bar.value = run.of ? Math.min(1, run.steps / run.of) : 0;
    const level = run.teacher_psnr === null ? null : { value: run.teacher_psnr, name: "teacher" };
    const psnr = run.validation.length > 0 && chart("PSNR on held-out clips", run.validation, { unit: "dB", level });
    const parts = Object.entries(run.losses);
    const losses = parts.filter(([loss]) => loss !== "total" || parts.length > 2).map(([loss, points]) => chart(loss, points));
    put(this.charts, psnr, losses);
    this.samples.hidden = !run.samples.length;
    const steps = run.samples.map(({ step, sample }) => `Sample ${sample} at step ${number(step)}`);
    if (!other && this.step.children.length === steps.length) return;
    const newest = other || Number(this.step.value) === this.step.children.length - 1;
    const chosen = newest ? steps.length - 1 : this.step.value;
    put(this.step, steps.map((label, index) => h("option", { value: index }, label)));
    this.step.value = String(chosen);
    if (steps.length) this.draw();
  }

  /** Show the chosen sample. */
  async draw(pair = this.pair) {
    this.pair = pair;
    const sample = this.run.samples[Number(this.step.value)];
    const names = pair.split(" ");
    const images = await Promise.all(names.map((name) => loaded(sample[name])));
    if (this.pair !== pair || images.includes(null)) return;
    this.compare.name(...names.map((name) => SIDES[name]));
    this.compare.show(...images.map((image) => ({ image, x: 0, y: 0, width: image.naturalWidth, height: image.naturalHeight })));
  }
}

const number = (value) => value.toLocaleString("en");

async function loaded(url) {
  const image = new Image();
  image.src = url;
  return image.decode().then(() => image, () => null);
}
