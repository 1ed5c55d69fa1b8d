// Files and folders that are dropped on the page or chosen.

const PICTURE = /\.(jpe?g|png|webp|tiff?|bmp|heic|heif|avif)$/i;
const MEDIA = /\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|m?ts|wmv|flv|3gp|ogv|mxf|y4m|vob)$/i;

/**
 * The files of a drop, with everything in its folders.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<{file: File, path: string}[]>}
 */
export async function droppedFiles(transfer) {
  // The entries are gone after the first await, so take all of them now.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  return (await Promise.all(entries.map((entry) => filesOf(entry, "")))).flat();
}

async function filesOf(entry, folder) {
  const path = folder + entry.name;
  if (entry.isFile) {
    const file = await new Promise((done, fail) => entry.file(done, fail));
    return [{ file, path }];
  }
  const reader = entry.createReader();
  const inside = [];
  for (;;) {
    // a reader gives at most 100 entries at a time
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) break;
    inside.push(...some);
  }
  inside.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  return (await Promise.all(inside.map((child) => filesOf(child, `${path}/`)))).flat();
}

/** The files of an <input type=file>, with or without folders. */
export function chosenFiles(input) {
  return [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}

/**
 * What to upload: {name, task, files} for each item, where a file is {file, metadata}. Pictures of one folder are one
 * item. From a folder only videos and pictures are taken; a file that is dropped by itself is always taken, so that
 * the server can say what is wrong with it.
 */
export function plan(found, task) {
  const items = new Map();
  for (const { file, path } of found) {
    if (path.includes("/") && !isMedia(path)) continue;
    const name = path.includes("/") && PICTURE.test(path) ? path.slice(0, path.lastIndexOf("/")) : path;
    const metadata = { filename: file.name, relativePath: path, task };
    if (!items.has(name)) items.set(name, { name, task, files: [] });
    items.get(name).files.push({ file, metadata });
  }
  for (const { files } of items.values()) {
    if (files.length === 1) continue;
    const group = { group: crypto.randomUUID(), groupFiles: String(files.length) };
    for (const { metadata } of files) Object.assign(metadata, group);
  }
  return [...items.values()];
}

const isMedia = (path) => !path.split("/").at(-1).startsWith(".") && (PICTURE.test(path) || MEDIA.test(path));

/** Call `took` with the files whenever some are dropped anywhere on the page. */
export function listenForDrops(took) {
  let depth = 0;
  const mark = (on) => document.body.classList.toggle("dropping", on);
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => carriesFiles(event) && mark(++depth > 0));
  addEventListener("dragleave", (event) => carriesFiles(event) && mark(--depth > 0));
  addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    mark(false);
    took(await droppedFiles(event.dataTransfer));
  });
}
