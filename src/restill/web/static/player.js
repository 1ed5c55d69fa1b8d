// Plays one or more stacked videos as one moving picture.
//
// A stacked video has the frame before above the frame after, so both sides are in step whatever the browser does.

/** Sends "frame" when there is something new to draw, and "state" when it starts, stops, or gets more pieces. */
export class Player extends EventTarget {
  constructor() {
    super();
    this.clear();
  }

  clear() {
    this.playing = false;
    this.whole = true;
    this.pieces = []; // {url, frames, first}
    this.total = 0;
    this.frame = 0; // the frame that is shown, over all pieces
    for (const video of this.videos?.values() ?? []) close(video);
    this.videos = new Map(); // by address; only the current piece and the next one
    this.current = null;
    this.shown = null; // a copy of the frame that is shown, both halves
    this.dispatchEvent(new Event("state"));
  }

  /** Whether the piece that is to be shown is not here yet. */
  get waiting() {
    return Boolean(this.current && this.current.readyState < 2 && !this.current.error);
  }

  /**
   * Show pieces, {url, frames} each, in order. Pieces that were there before go on playing; others begin where those
   * before them were.
   *
   * @param {boolean} whole Whether no more pieces will come.
   */
  set(pieces, whole) {
    const same = this.pieces.every((piece, index) => piece.url === pieces[index]?.url);
    const { frame, playing } = this;
    if (!same) this.clear();
    let first = 0;
    this.pieces = pieces.map(({ url, frames }) => ({ url, frames, first: (first += frames) - frames }));
    this.total = first;
    this.whole = whole;
    if (this.total && !this.current) {
      this.seek(frame);
      if (playing) this.play();
    }
    this.dispatchEvent(new Event("state"));
  }

  /** The halves of the frame that is shown; null before the first frame is there. */
  sides() {
    if (!this.shown) return null;
    const { width, height } = this.shown;
    const half = (y) => ({ image: this.shown, x: 0, y, width, height: height / 2 });
    return { before: half(0), after: half(height / 2) };
  }

  /** Copy the video's frame: the video may go on between two drawings of its halves. */
  take(video) {
    if (video !== this.current || video.readyState < 2) return;
    const { videoWidth: width, videoHeight: height } = video;
    this.shown ??= document.createElement("canvas");
    if (this.shown.width !== width || this.shown.height !== height) Object.assign(this.shown, { width, height });
    this.shown.getContext("2d", { alpha: false }).drawImage(video, 0, 0);
    this.dispatchEvent(new Event("frame"));
  }

  async play() {
    if (this.playing || !this.current) return;
    if (this.frame >= this.total - 1) this.seek(this.whole ? 0 : this.pieces.at(-1).first);
    this.playing = true;
    this.dispatchEvent(new Event("state"));
    await this.run();
  }

  pause() {
    this.playing = false;
    this.current?.pause();
    this.dispatchEvent(new Event("state"));
  }

  /** Show another frame, relative to the shown one; stops playing. */
  step(by) {
    this.pause();
    this.seek(this.frame + by);
  }

  /** Show a frame. */
  seek(frame) {
    this.frame = Math.min(this.total - 1, Math.max(0, frame));
    const piece = this.pieceAt(this.frame);
    const video = this.load(piece);
    if (video !== this.current) this.current?.pause();
    this.current = video;
    const go = () => (video.currentTime = ((this.frame - piece.first + 0.5) * video.duration) / piece.frames);
    if (video.readyState >= 1) go();
    else video.addEventListener("loadedmetadata", go, { once: true });
    this.dispatchEvent(new Event("state"));
    if (this.playing) this.run();
  }

  pieceAt(frame) {
    return this.pieces.findLast((piece) => piece.first <= frame);
  }

  async run() {
    const video = this.current;
    try {
      await video.play();
    } catch {
      // the browser stopped it: the piece was left, or it may not play by itself
      if (video === this.current && video.paused) this.pause();
      return;
    }
    const next = this.pieceAfter(this.pieceAt(this.frame));
    if (next) this.load(next); // fetch it before it is needed
    this.follow(video);
  }

  /** Draw each frame that the browser shows while it plays. */
  follow(video) {
    const piece = this.pieceAt(this.frame);
    const turn = (this.turn = {}); // a newer call ends this one
    const tick = (_, seen) => {
      if (turn !== this.turn || video !== this.current || !this.playing) return;
      const time = seen?.mediaTime ?? video.currentTime;
      const number = Math.floor((time * piece.frames) / video.duration + 0.25);
      this.frame = piece.first + Math.min(piece.frames - 1, Math.max(0, number));
      this.take(video);
      again();
    };
    const again = () => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(tick) : requestAnimationFrame(() => tick()));
    again();
  }

  pieceAfter(piece) {
    return this.pieces.find(({ first }) => first > piece.first) ?? null;
  }

  ended(video) {
    if (video !== this.current || !this.playing) return;
    const piece = this.pieceAt(this.frame);
    const next = this.pieceAfter(piece);
    // At the end: start again, or repeat the newest piece until another one is done.
    this.seek(next ? next.first : this.whole ? 0 : piece.first);
  }

  load(piece) {
    const kept = this.videos.get(piece.url);
    if (kept) return kept;
    const wanted = new Set([piece, this.pieceAfter(piece), this.pieceAt(this.frame)].map((each) => each?.url));
    for (const [url, video] of this.videos) {
      if (wanted.has(url) || video === this.current) continue;
      close(video);
      this.videos.delete(url);
    }
    const video = document.createElement("video");
    Object.assign(video, { muted: true, playsInline: true, preload: "auto", src: piece.url });
    for (const name of ["seeked", "loadeddata"]) video.addEventListener(name, () => this.take(video));
    video.addEventListener("ended", () => this.ended(video));
    video.addEventListener("error", () => {
      if (video === this.current) this.dispatchEvent(Object.assign(new Event("broken"), { url: piece.url }));
    });
    this.videos.set(piece.url, video);
    return video;
  }
}

function close(video) {
  video.pause();
  video.removeAttribute("src");
  video.load();
}
