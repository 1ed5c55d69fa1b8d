// Moments that the server cleans before the job.

import { api } from "./api.js";

const POLL = 300; // ms

/** The newest preview of each item. Sends "change". */
export class Previews extends EventTarget {
  constructor() {
    super();
    this.newest = new Map(); // item's id -> {state, message, frames, fps, video, image, asked}
  }

  get(id) {
    return this.newest.get(id) ?? null;
  }

  /** Forget the preview of an item. */
  forget(id) {
    this.newest.delete(id);
  }

  /** Ask for a moment; a newer question replaces an older one. */
  async ask(id, moment) {
    const kept = { state: "running", asked: JSON.stringify(moment), at: moment.at, seconds: moment.seconds };
    this.newest.set(id, kept);
    this.changed();
    try {
      const { id: preview } = await api.preview(id, moment);
      while (this.newest.get(id) === kept && kept.state === "running") {
        Object.assign(kept, await api.previewState(preview));
        this.changed();
        if (kept.state === "running") await new Promise((done) => setTimeout(done, POLL));
      }
    } catch (error) {
      Object.assign(kept, { state: "failed", message: error.message });
      this.changed();
    }
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}
