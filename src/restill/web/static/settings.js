// The forms of the two tabs: how the rain is taken out, and which rain is made. Choices are kept in this browser.

import { h, put, text } from "./dom.js";
import { percent } from "./format.js";

const QUALITIES = { small: "Small file", good: "Good", best: "Best" };
const RAINS = { drizzle: "Drizzle", light: "Light", moderate: "Moderate", heavy: "Heavy", storm: "Storm", curtain: "Curtain", random: "Surprise me" };

function kept(name) {
  try {
    return JSON.parse(localStorage.getItem(name)) || {};
  } catch {
    return {};
  }
}

function field(label, control, hint) {
  return h("label", { class: "field" }, h("span", { class: "label" }, label), control, hint);
}

function choice(group, options, chosen, onchange) {
  const buttons = Object.entries(options).map(([value, label]) => {
    const input = h("input", { type: "radio", name: group, value, checked: value === chosen, onchange });
    return h("label", {}, input, h("span", {}, label));
  });
  return h("div", { class: "choice" }, buttons);
}

/** What both forms share. Sends "change". */
class Form extends EventTarget {
  constructor(name) {
    super();
    this.name = name;
    this.values = { quality: "good", ...kept(name) };
    this.quality = h(
      "fieldset",
      { class: "field" },
      h("legend", { class: "label" }, "Quality of the file"),
      choice(`${name}-quality`, QUALITIES, this.values.quality, (event) => this.set({ quality: event.target.value })),
    );
  }

  set(values) {
    Object.assign(this.values, values);
    localStorage.setItem(this.name, JSON.stringify(this.values));
    this.dispatchEvent(new Event("change"));
  }
}

/** Student, strength and quality of removing rain. */
export class DerainForm extends Form {
  constructor(students) {
    super("derain");
    this.students = students;
    this.values = { strength: 1, clips: null, pictures: null, ...this.values };
    this.select = h("select", { onchange: () => this.set({ [this.for]: this.select.value }) });
    this.hint = h("span", { class: "hint" });
    this.percent = h("output", { class: "value" });
    this.strength = h("input", { type: "range", min: "0", max: "2", step: "0.1", value: String(this.values.strength) });
    this.strength.addEventListener("input", () => this.set({ strength: Number(this.strength.value) }));
    const strength = field(h("span", {}, "Strength ", this.percent), this.strength);
    this.element = h("div", { class: "form" }, field("Network", this.select, this.hint), strength, this.quality);
    this.addEventListener("change", () => this.update());
  }

  /** Offer the students for a kind of file. */
  show(kind) {
    const wanted = kind === "picture" ? "pictures" : "clips";
    if (this.for !== wanted) {
      this.for = wanted;
      this.fitting = this.students.filter((student) => student.for === wanted);
      put(this.select, this.fitting.map(({ name, speed }) => h("option", { value: name }, `${name} (${speed})`)));
      const known = this.fitting.some(({ name }) => name === this.values[wanted]);
      this.select.value = known ? this.values[wanted] : (this.fitting.find((student) => student.default) ?? this.fitting[0])?.name;
    }
    this.update();
  }

  update() {
    text(this.percent, percent(this.values.strength));
    this.strength.setAttribute("aria-valuetext", percent(this.values.strength));
    const student = this.fitting?.find(({ name }) => name === this.select.value);
    text(this.hint, student ? `${student.title}. License of its weights: ${student.licence}.` : "");
  }

  /** For the server's start and preview. */
  value() {
    const chosen = this.fitting.find(({ name }) => name === this.select.value);
    return { task: "derain", student: chosen?.default ? null : this.select.value, strength: this.values.strength, quality: this.values.quality };
  }
}

/** Kind of rain, wind and quality of making rain. */
export class RainForm extends Form {
  constructor() {
    super("rain");
    this.values = { strength: "moderate", wind: 0.5, seed: 0, ...this.values };
    const options = Object.entries(RAINS).map(([value, label]) => h("option", { value }, label));
    this.select = h("select", { onchange: () => this.set({ strength: this.select.value }) }, options);
    this.select.value = this.values.strength;
    this.blows = h("output", { class: "value" });
    this.wind = h("input", { type: "range", min: "-10", max: "10", step: "0.5", value: String(this.values.wind) });
    this.wind.addEventListener("input", () => this.set({ wind: Number(this.wind.value) }));
    const other = h("button", { type: "button", onclick: () => this.set({ seed: this.values.seed + 1 }) }, "Other drops");
    this.number = h("span", { class: "hint" });
    this.element = h(
      "div",
      { class: "form" },
      field("Rain", this.select),
      field(h("span", {}, "Wind ", this.blows), this.wind),
      h("div", { class: "field" }, h("span", { class: "label" }, "Drops"), other, this.number),
      this.quality,
    );
    this.addEventListener("change", () => this.show());
  }

  show() {
    const { wind, seed } = this.values;
    const words = wind === 0 ? "none" : `${Math.abs(wind)} m/s to the ${wind > 0 ? "right" : "left"}`;
    text(this.blows, words);
    this.wind.setAttribute("aria-valuetext", words);
    text(this.number, `Seed ${seed}: the same seed gives the same rain.`);
  }

  /** For the server's start and preview. */
  value() {
    const { strength, wind, seed, quality } = this.values;
    return { task: "rain", student: null, strength: 1, quality, rain: { strength, wind, seed } };
  }
}
