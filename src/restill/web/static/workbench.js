// A tab where files are dropped: a large drop area at first, then the list and the chosen file.

import { chosenFiles, plan } from "./drop.js";
import { h, notice } from "./dom.js";
import { Queue } from "./queue.js";
import { Stage } from "./stage.js";

/** Draws the rows of one task. */
export class Workbench {
  constructor(task, words, store, form) {
    Object.assign(this, { task, store, chosen: null });
    this.queue = new Queue();
    this.stage = new Stage(words, store, form);
    this.empty = h("div", { class: "empty" }, h("img", { src: "/static/icon.svg", alt: "" }), h("h1", {}, words.invite), this.choosers("primary"));
    const add = h("div", { class: "add" }, this.choosers(""), h("p", {}, "or drop more files here"));
    this.filled = h("div", { class: "filled", hidden: true }, this.stage.element, h("div", { class: "column" }, this.stage.side, h("aside", { "aria-label": "Queue" }, this.queue.element, add)));
    this.element = h("div", { class: "workbench" }, this.empty, this.filled);
    this.queue.addEventListener("choose", (event) => this.choose(event.id));
    this.queue.addEventListener("remove", (event) => this.remove(event.id));
    this.stage.addEventListener("startAll", () => this.stage.start(this.rows().filter(({ state }) => state === "ready")));
    store.addEventListener("change", () => this.update());
    store.addEventListener("uploaded", (event) => {
      if (this.chosen === event.from) this.chosen = event.to;
    });
  }

  rows() {
    return this.store.rows(this.task);
  }

  /** Take dropped or chosen files. */
  take(found) {
    const planned = plan(found, this.task);
    notice(planned.length ? "" : "There is no video and no picture in it.");
    if (!planned.length) return;
    const first = !this.rows().length;
    this.store.add(planned);
    if (first) this.choose(this.rows()[0].id);
  }

  choosers(kind) {
    const files = h("input", { type: "file", multiple: true, accept: "video/*,image/*,.mkv,.y4m,.ts,.mts,.m2ts", hidden: true });
    const folder = h("input", { type: "file", webkitdirectory: true, hidden: true });
    for (const input of [files, folder]) {
      input.addEventListener("change", () => {
        this.take(chosenFiles(input));
        input.value = "";
      });
    }
    const open = (input, label, look) => h("button", { type: "button", class: look, onclick: () => input.click() }, label);
    const folders = "webkitdirectory" in folder && open(folder, "Choose a folder", "");
    return h("div", { class: "buttons" }, files, folder, open(files, "Choose files", kind), folders);
  }

  choose(id) {
    this.chosen = id;
    this.update();
  }

  async remove(id) {
    const row = this.rows().find((each) => each.id === id);
    const work = ["running", "paused", "done"].includes(row?.state);
    if (!row || (work && !confirm(`Remove ${row.name}, and what was made of it?`))) return;
    try {
      await this.store.remove(row);
      this.element.querySelector("[aria-current=true], .empty .primary")?.focus();
    } catch (error) {
      this.stage.wrong(error.message);
    }
  }

  update() {
    const rows = this.rows();
    this.empty.hidden = rows.length > 0;
    this.filled.hidden = !rows.length;
    if (!rows.length) return;
    const row = rows.find(({ id }) => id === this.chosen) ?? rows[0];
    this.chosen = row.id;
    this.queue.show(rows, row.id);
    this.stage.show(row, rows.filter(({ state }) => state === "ready").length);
  }
}
