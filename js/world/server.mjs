// The Torpor server: requests, and its problems as the SDK's errors.

import { Agent, request as plain } from "node:http";
import { Agent as SecureAgent, request as secure } from "node:https";

const TRIES = 4;
const PAUSE_MS = 100;
const RETRIED = new Set([502, 503, 504]);

/** A server, and what lets us in there. */
export class Server {
  #url;
  #headers;
  #agent;

  constructor(url, token) {
    this.#url = new URL(url.endsWith("/") ? url : `${url}/`);
    const isSecure = this.#url.protocol === "https:";
    if (!isSecure && this.#url.protocol !== "http:") throw new TypeError(`torpor-world: TORPOR_URL ${url} is no http(s) URL`);
    this.#headers = token ? { authorization: `Bearer ${token}` } : {};
    this.#agent = new (isSecure ? SecureAgent : Agent)({ keepAlive: true });
  }

  /** Return what GET answers with. */
  async get(parts, query, signal) {
    return JSON.parse(await whole(await this.open("GET", parts, { query, signal })));
  }

  /** POST data as JSON, or bytes as they are; return what that answers with. */
  async post(parts, data, query) {
    const isBytes = data instanceof Uint8Array;
    const body = isBytes ? data : Buffer.from(JSON.stringify(data));
    const type = isBytes ? "application/octet-stream" : "application/json";
    const text = await whole(await this.open("POST", parts, { query, body, type }));
    return text === "" ? undefined : revived(JSON.parse(text));
  }

  /** Return the answer, as a stream of bytes; every request here may be made again. */
  async open(method, parts, asked = {}) {
    for (let left = TRIES - 1; ; left--) {
      try {
        return await this.#once(method, parts, asked);
      } catch (error) {
        if (left === 0 || asked.signal?.aborted || !(RETRIED.has(error.status) || error.code === "TRANSPORT")) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * 2 ** (TRIES - 1 - left)));
      }
    }
  }

  #once(method, parts, { query = {}, body, type, signal }) {
    const url = new URL(parts.map(encodeURIComponent).join("/"), this.#url);
    for (const [name, value] of Object.entries(query)) {
      for (const each of [value].flat()) if (each !== undefined && each !== "") url.searchParams.append(name, each);
    }
    const headers = { ...this.#headers };
    if (body !== undefined) Object.assign(headers, { "content-type": type, "content-length": body.length });
    return new Promise((resolve, reject) => {
      const make = url.protocol === "https:" ? secure : plain;
      const sent = make(url, { method, headers, agent: this.#agent, signal }, (answer) => {
        if (answer.statusCode < 300) resolve(answer);
        else whole(answer).then((text) => reject(problem(answer.statusCode, text, parts)), reject);
      });
      sent.on("error", (cause) => {
        if (signal?.aborted) reject(cause);
        else reject(worldError(`torpor-world: ${this.#url} does not answer: ${cause.message}`, { code: "TRANSPORT", cause }));
      });
      sent.end(body);
    });
  }
}

/** Return an error as the SDK knows it: it tells errors by their names. */
export function worldError(message, { name = "WorkflowWorldError", cause, ...about }) {
  const error = new Error(message, cause === undefined ? {} : { cause });
  return Object.assign(error, { name }, about);
}

function problem(status, text, parts) {
  let told = {};
  try {
    told = JSON.parse(text);
  } catch {
    // no problem of Torpor's: something between here and there has answered
  }
  const id = parts[3] ?? "";
  const about = { status, code: told.code };
  switch (told.code) {
    case "RUN_NOT_FOUND":
      return worldError(`Workflow run "${id}" not found`, { ...about, name: "WorkflowRunNotFoundError", runId: id });
    case "HOOK_NOT_FOUND":
      return worldError("Hook not found", { ...about, name: "HookNotFoundError", token: id });
    default: {
      const name = status === 409 ? "EntityConflictError" : "WorkflowWorldError";
      const detail = told.detail ?? `torpor-world: status ${status}: ${text.slice(0, 200)}`;
      return worldError(status === 401 ? `${detail} (torpor-world takes it from TORPOR_TOKEN)` : detail, { ...about, name });
    }
  }
}

async function whole(answer) {
  const pieces = [];
  for await (const piece of answer) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

const PAYLOADS = ["input", "output", "error", "result", "payload", "metadata"];
const TIMES = ["retryAfter", "resumeAt"];

/** Make bytes of what is base64, and dates of what are times, in an entity and in the data of an event. */
export function revived(entity) {
  if (entity === null || typeof entity !== "object") return entity;
  const made = { ...entity };
  for (const name of PAYLOADS) if (typeof made[name] === "string") made[name] = new Uint8Array(Buffer.from(made[name], "base64"));
  for (const [name, value] of Object.entries(made)) {
    if (typeof value === "number" && (name.endsWith("At") || TIMES.includes(name))) made[name] = new Date(value);
  }
  if (made.error instanceof Uint8Array) made.error = telling(made.error, made.errorCode);
  for (const name of ["run", "eventData"]) if (made[name] !== undefined) made[name] = revived(made[name]);
  return made;
}

const VALUE = "devl";

/** Let an error tell its message, stack and code: version 4 of the SDK has no errors but such. */
function telling(bytes, code) {
  const text = Buffer.from(bytes).toString();
  if (!text.startsWith(VALUE)) return bytes; // it is encrypted
  const flat = JSON.parse(text.slice(VALUE.length));
  const fields = Array.isArray(flat?.[0]) ? flat[flat[0][1]] : {};
  const told = { message: flat[fields?.message] ?? "", stack: flat[fields?.stack], code };
  for (const [name, value] of Object.entries(told)) Object.defineProperty(bytes, name, { value });
  return bytes;
}
