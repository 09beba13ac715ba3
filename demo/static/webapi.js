// Asks the WebApi: JSON in both directions, and files as they are.

const PATIENCE = 10_000; // milliseconds

// The WebApi said no. Whoever does not reach it gets fetch's own TypeError.
export class Refusal extends Error {
  constructor(status, { error = `status ${status}`, code = "", ...rest }) {
    super(error);
    Object.assign(this, { status, code, rest });
  }

  // The same request may succeed in a while.
  get isPassing() {
    return this.status === 429 || this.status >= 500;
  }
}

export const get = (path, query = {}) => ask("GET", `${path}${queryOf(query)}`);

export const post = (path, body = {}) => ask("POST", path, JSON.stringify(body));

function queryOf(fields) {
  const text = String(new URLSearchParams(fields));
  return text && `?${text}`;
}

async function ask(method, path, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const signal = AbortSignal.timeout(PATIENCE);
  const response = await fetch(path, { method, headers, body, signal });
  // What a proxy says while the WebApi is away is no JSON.
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Refusal(response.status, answer);
}

// fetch tells no progress, XMLHttpRequest does.
export function upload(path, query, file, onProgress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.upload.onprogress = ({ loaded }) => onProgress(loaded);
    request.onerror = request.onabort = () => reject(new TypeError("upload broken"));
    request.onload = () => {
      const answer = parsed(request.responseText);
      if (request.status === 200) resolve(answer);
      else reject(new Refusal(request.status, answer));
    };
  });
  request.open("POST", `${path}${queryOf(query)}`);
  request.setRequestHeader("X-Requested-With", "freeim");
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.send(file);
  return { done, cancel: () => request.abort() };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
