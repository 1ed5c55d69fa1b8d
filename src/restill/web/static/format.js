// Numbers as people read them.

/** Seconds as "1:23" or "1:02:03"; with tenths for short moments: "0:03.5". */
export function clock(seconds, tenths = false) {
  const whole = tenths ? Math.round(seconds * 10) / 10 : Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = (whole % 60).toFixed(tenths ? 1 : 0).padStart(tenths ? 4 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** A duration in words: "about 4 min". */
export function left(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  if (seconds < 50) return `about ${Math.max(1, Math.round(seconds))} s left`;
  if (seconds < 5400) return `about ${Math.max(1, Math.round(seconds / 60))} min left`;
  return `about ${(seconds / 3600).toFixed(1)} h left`;
}

/** Bytes as "12 MB". */
export function bytes(count) {
  if (count < 1e6) return `${Math.max(1, Math.round(count / 1e3))} KB`;
  if (count < 1e9) return `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB`;
  return `${(count / 1e9).toFixed(1)} GB`;
}

/** What a file is: "768 × 432 · 0:12 · with sound". */
export function facts(item) {
  const parts = [];
  if (item.width) parts.push(`${item.width} × ${item.height}`);
  if (item.kind === "video" && item.duration) parts.push(clock(item.duration));
  if (item.kind === "frames" && item.frames) parts.push(`${item.frames} frames`);
  if (item.kind === "picture") parts.push("picture");
  if (item.sound) parts.push("with sound");
  return parts.join(" · ");
}

/** The done part of a job, 0 to 1. */
export function share(item) {
  if (item.state === "done") return 1;
  return item.frames ? Math.min(1, (item.frames_done || 0) / item.frames) : 0;
}

/** A share as "40 %". */
export function percent(value) {
  return `${Math.floor(value * 100)} %`;
}
