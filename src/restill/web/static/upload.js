// Uploads in chunks that resume: tus 1.0 with creation and termination (https://tus.io/protocols/resumable-upload).

import { ApiError, reason } from "./api.js";

const CHUNK = 4 * 1024 * 1024; // bytes
const WAITS = [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]; // ms between tries
const VERSION = { "Tus-Resumable": "1.0.0" };

/**
 * One file on its way. A later upload of the same file, even after a reload of the page, goes on where it stopped;
 * not so for one picture of a folder, whose group has a new name then.
 */
export class Upload {
  /**
   * @param {File} file
   * @param {Object<string, string>} metadata Sent as Upload-Metadata.
   * @param {(sent: number) => void} onprogress
   */
  constructor(file, metadata, onprogress) {
    this.file = file;
    this.metadata = metadata;
    this.onprogress = onprogress;
    this.stop = new AbortController();
    this.key = ["upload", metadata.relativePath, metadata.task, file.size, file.lastModified].join(":");
    const [url, item] = (metadata.group ? null : localStorage.getItem(this.key))?.split(" ") ?? [];
    this.url = url ?? null;
    this.item = item ?? null; // the id of the item that it becomes
  }

  /** Send the whole file. Raises ApiError if the server refuses it, or does not answer for long. */
  async run() {
    let offset = this.url ? await this.retry(() => this.offset()) : null;
    if (offset === null) offset = await this.retry(() => this.create());
    this.onprogress(offset);
    while (offset < this.file.size) {
      offset = await this.retry(() => this.send(offset), () => this.offset());
      this.onprogress(offset);
    }
    localStorage.removeItem(this.key);
  }

  /** Stop, and forget it. */
  cancel() {
    this.stop.abort();
    localStorage.removeItem(this.key);
  }

  async create() {
    const pairs = Object.entries(this.metadata).map(([name, value]) => `${name} ${base64(value)}`);
    const headers = { "Upload-Length": String(this.file.size), "Upload-Metadata": pairs.join(",") };
    const answer = await this.request("POST", "/files/", headers);
    this.url = new URL(answer.headers.get("Location"), location.href).pathname;
    this.item = answer.headers.get("Restill-Item");
    if (!this.metadata.group) localStorage.setItem(this.key, `${this.url} ${this.item}`);
    return 0;
  }

  /** How much the server has; null if it does not know this upload any more. */
  async offset() {
    const answer = await fetch(this.url, { method: "HEAD", headers: VERSION, signal: this.stop.signal });
    if (answer.ok) return Number(answer.headers.get("Upload-Offset"));
    localStorage.removeItem(this.key);
    return null;
  }

  async send(offset) {
    const headers = { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
    const answer = await this.request("PATCH", this.url, headers, this.file.slice(offset, offset + CHUNK));
    return Number(answer.headers.get("Upload-Offset"));
  }

  async request(method, url, headers, body) {
    const answer = await fetch(url, { method, headers: { ...VERSION, ...headers }, body, signal: this.stop.signal });
    if (!answer.ok) throw new ApiError(await reason(answer), answer.status);
    return answer;
  }

  /** Try a step again while the server does not answer, or lost count; `again` replaces the step after a failure. */
  async retry(step, again = step) {
    for (let tries = 0; ; tries++) {
      try {
        const offset = await (tries ? again() : step());
        if (offset === null && tries) throw new ApiError("Restill has lost this upload. Drop the file again.", 410);
        return offset;
      } catch (error) {
        const refused = error instanceof ApiError && error.status !== 409 && error.status < 500;
        if (refused || this.stop.signal.aborted) throw error;
        if (tries === WAITS.length) throw new ApiError("The upload stopped: Restill does not answer.", 0);
        await new Promise((done) => setTimeout(done, WAITS[tries]));
      }
    }
  }
}

function base64(value) {
  return btoa(String.fromCodePoint(...new TextEncoder().encode(value)));
}
