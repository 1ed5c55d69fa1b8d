// What the page knows: the server's items, and the files that this page is uploading.

import { api } from "./api.js";
import { announce, notice } from "./dom.js";
import { Upload } from "./upload.js";

/** Tells with a "change" event that some row is new, changed or gone. */
export class Store extends EventTarget {
  constructor() {
    super();
    this.items = new Map(); // the server's, in its order
    this.uploads = new Map(); // by a key of this page
    this.mine = new Set(); // ids of the items that this page uploaded
    this.busy = false;
    this.made = 0;
  }

  /** Load the items and follow their changes. */
  async follow() {
    this.take({ items: await api.items(), gone: [] });
    const events = new EventSource("/api/events");
    events.addEventListener("items", (event) => this.take(JSON.parse(event.data)));
    // after a break (the server was restarted) the whole list is read again
    let broken = false;
    events.addEventListener("error", () => {
      broken = true;
      const closed = events.readyState === EventSource.CLOSED;
      notice(closed ? "The page has lost Restill. Load it again." : "Restill does not answer. The page goes on when it is back.");
    });
    events.addEventListener("open", async () => {
      if (!broken) return;
      broken = false;
      notice("");
      const items = await api.items();
      const ids = new Set(items.map((item) => item.id));
      this.take({ items, gone: [...this.items.keys()].filter((id) => !ids.has(id)) });
    });
  }

  take({ items = [], gone = [] }) {
    for (const id of gone) this.items.delete(id);
    for (const item of items) {
      const before = this.items.get(item.id);
      this.items.set(item.id, item);
      if (before && before.state !== item.state) announce(spoken(item));
    }
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** The rows of a tab: items, then what is still being uploaded. An upload's own row hides the server's. */
  rows(task) {
    const sending = [...this.uploads.values()].filter((row) => row.task === task);
    const hidden = new Set(sending.map((row) => row.item));
    const known = [...this.items.values()].filter((item) => item.task === task && !hidden.has(item.id));
    return [...known, ...sending];
  }

  /** Upload items, {name, task, files} each, one file after the other. */
  add(planned) {
    for (const { name, task, files } of planned) {
      const size = files.reduce((sum, { file }) => sum + file.size, 0);
      const row = { id: `upload-${++this.made}`, local: true, name, task, files, size, state: "uploading", sent: 0, done: 0 };
      this.uploads.set(row.id, row);
    }
    this.changed();
    this.send();
  }

  async send() {
    if (this.busy) return;
    this.busy = true;
    for (let row; (row = [...this.uploads.values()].find((each) => each.state === "uploading")); ) {
      row.sending = true;
      this.changed();
      try {
        await this.sendFiles(row);
        this.mine.add(row.item);
        if (!this.items.has(row.item)) this.take({ items: await api.items() });
        this.uploads.delete(row.id);
        this.dispatchEvent(Object.assign(new Event("uploaded"), { from: row.id, to: row.item }));
      } catch (error) {
        Object.assign(row, { state: "failed", message: error.message, sending: false });
      }
      this.changed();
    }
    this.busy = false;
  }

  async sendFiles(row) {
    for (; row.done < row.files.length; row.done++) {
      const { file, metadata } = row.files[row.done];
      const before = row.files.slice(0, row.done).reduce((sum, each) => sum + each.file.size, 0);
      row.upload = new Upload(file, metadata, (sent) => {
        Object.assign(row, { sent: before + sent, item: row.upload.item });
        this.changed();
      });
      await row.upload.run();
    }
  }

  /** Try a failed upload again. */
  again(row) {
    Object.assign(row, { state: "uploading", message: null });
    this.changed();
    this.send();
  }

  /** Take a row out of the list, and its files with it. */
  async remove(row) {
    if (row.local) {
      this.uploads.delete(row.id);
      this.changed();
      row.upload?.cancel();
      if (row.item) await api.remove(row.item).catch(() => null); // an upload that has just ended is an item
    } else {
      await api.remove(row.id);
      this.take({ gone: [row.id] });
    }
  }
}

/** A state as a sentence for screen readers. */
function spoken(item) {
  const words = {
    checking: "is being checked",
    ready: "is ready",
    waiting: "waits for its turn",
    running: "has started",
    paused: "is paused",
    done: "is done",
    failed: `has failed. ${item.message || ""}`,
    cancelled: "is cancelled",
  };
  return `${item.name} ${words[item.state] || item.state}`;
}
