// Line charts as SVG.

import { h, svg } from "./dom.js";

const WIDTH = 480;
const HEIGHT = 220;
const MARGIN = { left: 52, right: 12, top: 10, bottom: 26 };
const MOST = 300; // points that are drawn

/**
 * A figure with one line.
 *
 * @param {string} title
 * @param {[number, number][]} points Step and value.
 * @param {{unit?: string, level?: {value: number, name: string} | null}} more A level is a dashed line to compare with.
 */
export function chart(title, points, { unit = "", level = null } = {}) {
  const last = points.at(-1);
  const shown = thin(points);
  const values = [...inner(shown.map(([, value]) => value)), ...(level ? [level.value] : [])];
  const x = scale([shown[0]?.[0] ?? 0, last?.[0] ?? 1], [MARGIN.left, WIDTH - MARGIN.right]);
  const y = scale(padded(values), [HEIGHT - MARGIN.bottom, MARGIN.top]);
  const number = (value) => value.toFixed(digits(y)).replace("-", "−");
  const words = last ? `${number(last[1])}${unit && ` ${unit}`} at step ${last[0].toLocaleString("en")}` : "no values yet";
  const against = level ? `; ${level.name} ${number(level.value)} ${unit}` : "";
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${words}${against}` },
    axis(x, y, number),
    level && rule(y(level.value), level.name),
    svg("path", { class: "curve", d: path(shown.map(([step, value]) => [x(step), y(value)])) }),
    last && svg("circle", { class: "dot", cx: x(last[0]), cy: y(last[1]), r: 4 }),
  );
  const caption = h("figcaption", {}, h("b", {}, title), h("span", {}, words + against));
  return h("figure", { class: "chart" }, caption, picture);
}

/** At most MOST points, each the mean of its neighbors. */
function thin(points) {
  const size = Math.ceil(points.length / MOST);
  if (size <= 1) return points;
  const groups = Array.from({ length: Math.ceil(points.length / size) }, (_, index) => points.slice(index * size, (index + 1) * size));
  const mean = (group, part) => group.reduce((sum, point) => sum + point[part], 0) / group.length;
  return groups.map((group) => [mean(group, 0), mean(group, 1)]);
}

/** Values without the few wildest, which would make the rest a flat line. */
function inner(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const cut = Math.floor(sorted.length * 0.01);
  return sorted.slice(cut, sorted.length - cut);
}

function padded(values) {
  if (!values.length) return [0, 1];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
}

function scale([low, high], [from, to]) {
  const map = (value) => from + ((Math.min(high, Math.max(low, value)) - low) / (high - low || 1)) * (to - from);
  return Object.assign(map, { low, high });
}

function digits({ low, high }) {
  return Math.min(5, Math.max(0, Math.ceil(1.3 - Math.log10(high - low))));
}

function ticks({ low, high }, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, index) => (first + index) * step);
}

function axis(x, y, number) {
  const lines = ticks(y, 4).map((value) => [
    svg("line", { class: "grid", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(value), y2: y(value) }),
    svg("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, number(value)),
  ]);
  const steps = ticks(x, 4).map((value) => svg("text", { x: x(value), y: HEIGHT - 6, "text-anchor": "middle" }, short(value)));
  return svg("g", { class: "axis", "aria-hidden": "true" }, lines.flat(), steps);
}

function rule(at, name) {
  const line = svg("line", { class: "level", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: at, y2: at });
  return svg("g", { "aria-hidden": "true" }, line, svg("text", { class: "level-name", x: WIDTH - MARGIN.right, y: at - 6, "text-anchor": "end" }, name));
}

function short(step) {
  return step >= 1000 ? `${(step / 1000).toLocaleString("en", { maximumFractionDigits: 1 })}k` : String(step);
}

function path(points) {
  return points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}
