// Webhooks: hooks that the public reaches by HTTP, with requests as payloads.

import { Request, Response } from "torpor:codec-handles";
import { milliseconds } from "torpor:duration";
import { checkedToken, Hook } from "torpor:hooks";
import { knownOptions } from "torpor:options";
import { run } from "torpor:run";
import { stepsOf } from "torpor:steps";
import { stringify } from "torpor:codec";

const { defineProperty } = Object;
const ROUTE = "/.well-known/workflow/v1/webhook/";
const SCHEMES = ["github", "stripe", "slack", "standard", "hmac"];
const NAME_CHARS_MAX = 256;
const TOLERANCE_SECONDS_MAX = 86_400;
const RESPONSE_CHARS_MAX = 64 * 1024;
const OPTIONS = ["respondWith", "token", "metadata", "verify", "secret", "header", "tolerance"];
const [respond] = stepsOf("torpor", ["respond"]);

/** A live webhook: a hook whose payloads are the requests that come to its `url`. */
class Webhook extends Hook {
  constructor(token, metadata, fields) {
    super(token, metadata, 0, undefined, fields);
    const url = () => `${run.url}${ROUTE}${encodeURIComponent(this.token)}`; // a fork has another token
    defineProperty(this, "url", { get: url, enumerable: true });
  }
}

/**
 * Create a webhook: a hook with an address, its `url`, to which anybody may send a request, or whoever signs it.
 *
 * `options` may have
 *
 * - `respondWith`: what callers get: nothing, with status 202, by default; a Response, always the same; or "manual": what
 *   `await request.respondWith(response)` says, here or in a step,
 * - `token` and `metadata`, as for `createHook`,
 * - `verify`: how requests are signed: "github", "stripe", "slack", "standard" or "hmac"; with `secret`, the name of the
 *   environment variable that has the secret, for "hmac" with `header`, which has the signature, and with `tolerance`, how
 *   old a signed timestamp may be, milliseconds or a text such as "5m".
 */
export function createWebhook(options) {
  const { respondWith, token, metadata, ...signing } = knownOptions("createWebhook", options, OPTIONS);
  return new Webhook(checkedToken("createWebhook", token), metadata, webhookFields(respondWith, signing));
}

/** Return what the op of a hook says that is a webhook; see `createWebhook`. */
export function webhookFields(respondWith, signing = {}) {
  const answer = respondWith === undefined ? "accepted" : respondWith instanceof Response ? "static" : respondWith;
  if (!["accepted", "manual"].includes(answer) && !(respondWith instanceof Response)) {
    throw new TypeError(
      `createWebhook: Invalid \`respondWith\` value: it is a Response, or "manual", or left out, not ${show(respondWith)}`,
    );
  }
  const fields = { takes: `webhook:${JSON.stringify(described(answer, signing))}` };
  if (respondWith instanceof Response) fields.response = encoded(respondWith);
  return fields;
}

function described(answer, { verify, secret, header, tolerance }) {
  const said = answer === "accepted" ? {} : { answer };
  if (verify === undefined) {
    const lost = Object.entries({ secret, header, tolerance }).find(([, given]) => given !== undefined);
    if (lost === undefined) return said;
    throw new TypeError(`createWebhook: ${lost[0]} is for signed requests; say how they are signed: verify`);
  }
  if (!SCHEMES.includes(verify)) {
    throw new TypeError(`createWebhook: verify is ${show(verify)}; there are ${SCHEMES.map(show).join(", ")}`);
  }
  if (!isName(secret)) {
    throw new TypeError(
      `createWebhook: verify ${show(verify)} needs secret, the name of the environment variable that has the secret`,
    );
  }
  if ((header !== undefined) !== (verify === "hmac") || (header !== undefined && !isName(header))) {
    throw new TypeError('createWebhook: header says which header has the signature, for verify "hmac" and for that only');
  }
  Object.assign(said, { verify, secret });
  if (header !== undefined) said.header = header;
  if (tolerance !== undefined) said.tolerance_s = seconds(tolerance);
  return said;
}

function seconds(tolerance) {
  const allowed = Math.ceil(milliseconds(tolerance) / 1000);
  if (allowed > 0 && allowed <= TOLERANCE_SECONDS_MAX) return allowed;
  throw new RangeError(`createWebhook: tolerance is ${show(tolerance)}; it is up to a day, and more than nothing`);
}

function encoded(response) {
  const { body } = response;
  if (body !== null && !("bodyInit" in body)) {
    throw new TypeError("createWebhook: the body of a static response is text or bytes; a stream is read only once");
  }
  const text = stringify(response);
  if (text.length <= RESPONSE_CHARS_MAX) return text;
  throw new RangeError(
    `createWebhook: the static response has ${text.length} characters as it is stored; up to ${RESPONSE_CHARS_MAX} are ` +
      'allowed; answer by respondWith: "manual"',
  );
}

function isName(given) {
  return typeof given === "string" && given.length > 0 && given.length <= NAME_CHARS_MAX;
}

function show(value) {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** Answer the request of a webhook that was made with `respondWith: "manual"`; resolves once the answer is stored. */
async function respondWith(response) {
  const { responseWritable } = this;
  if (responseWritable === undefined) {
    throw new TypeError(
      'nobody waits for an answer to this request: make its webhook with respondWith: "manual"',
    );
  }
  if (!(response instanceof Response)) throw new TypeError(`respondWith takes a Response, not ${show(response)}`);
  await respond(responseWritable, response);
}

defineProperty(Request.prototype, "respondWith", { value: respondWith, writable: true, configurable: true });
