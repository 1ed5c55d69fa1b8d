// The server's JSON interface.

/** An answer of the server that says in one sentence what is wrong. */
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new ApiError("Restill does not answer. Is 'restill web' still running?", 0);
  }
  if (!answer.ok) throw new ApiError(await reason(answer), answer.status);
  const type = answer.headers.get("Content-Type") || "";
  return type.includes("json") ? answer.json() : null;
}

/** The sentence in an answer that is not OK. */
export async function reason(answer) {
  if (answer.status === 401 || answer.status === 403) {
    return "This page is no longer signed in. Open the address that 'restill web' printed.";
  }
  try {
    return (await answer.json()).message;
  } catch {
    return `Restill answered with the error ${answer.status}.`;
  }
}

const item = (id) => `/api/items/${encodeURIComponent(id)}`;

export const api = {
  about: () => call("GET", "/api/about"),
  students: () => call("GET", "/api/students"),
  items: () => call("GET", "/api/items"),
  start: (id, settings) => call("POST", `${item(id)}/start`, settings),
  act: (id, verb) => call("POST", `${item(id)}/${verb}`, {}),
  remove: (id) => call("DELETE", item(id)),
  preview: (id, moment) => call("POST", `${item(id)}/preview`, moment),
  previewState: (id) => call("GET", `/api/previews/${encodeURIComponent(id)}`),
  watch: (id) => call("GET", `${item(id)}/watch`),
  runs: () => call("GET", "/api/runs"),
  run: (name) => call("GET", `/api/runs/${encodeURIComponent(name)}`),
  strip: (id, count) => `${item(id)}/strip?count=${count}`,
  thumbnail: (id, at) => `${item(id)}/thumbnail?at=${at.toFixed(3)}`,
  result: (id) => `${item(id)}/result`,
};
