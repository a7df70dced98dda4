// The SDK with a world of its own, as a server that does nothing else: `node server.mjs`, in the folder of a built project.
//
// It says when it is ready. A line of standard input then says `{ workflow, args }`, a line of standard output what became of a run: `value` or
// `bytes` and `sha256` of the stream that it returned; `wall_ms` from the start to that in hand, `first_ms` to the stream's
// first chunk, `run_ms` what the SDK notes as the run's own time.

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

const BUILT = new URL("./.well-known/workflow/v1/", import.meta.url);
const ROUTES = ["flow", "step"]; // version 5 has the first one alone
const EXTENSIONS = ["mjs", "js"]; // of version 5, of version 4
const POLL_MS = 5; // of what has no other way to tell a run's end
const ENDED = new Set(["completed", "failed", "cancelled"]);

const tell = process.stdout.write.bind(process.stdout);
console.log = console.info = console.warn = console.debug = console.error;

const handlers = new Map();
const server = createServer(async (request, response) => {
  const handle = handlers.get(request.url.split("?")[0]);
  if (handle === undefined) return void response.writeHead(404).end();
  const { method, headers } = request;
  const answer = await handle(
    new Request(`http://${headers.host}${request.url}`, { method, headers, body: Readable.toWeb(request), duplex: "half" }),
  );
  response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(Buffer.from(await answer.arrayBuffer()));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
process.env.PORT = String(server.address().port);
process.env.WORKFLOW_LOCAL_BASE_URL = `http://127.0.0.1:${process.env.PORT}`;

for (const route of ROUTES) {
  const file = EXTENSIONS.map((extension) => new URL(`${route}.${extension}`, BUILT)).find((each) => existsSync(each));
  if (file !== undefined) handlers.set(`/.well-known/workflow/v1/${route}`, postOf(await import(file)));
}
const { getRun, start } = await import("workflow/api");
const { getWorld } = await import("workflow/runtime");
const world = await getWorld();
await world.start?.();
const longPolls = typeof world.runs.waitForTerminalStatus === "function";
const { workflows } = JSON.parse(readFileSync(new URL("manifest.json", BUILT), "utf8"));
const ids = Object.fromEntries(
  Object.values(workflows).flatMap((file) => Object.entries(file).map(([name, { workflowId }]) => [name, workflowId])),
);

answer({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const { workflow, args } = JSON.parse(line);
  try {
    answer(await measured(ids[workflow], args));
  } catch (error) {
    answer({ error: String(error?.stack ?? error) });
  }
  globalThis.gc?.(); // what this one has left is not the next one's to clear away
  answer({ ready: true });
}
process.exit(0);

function postOf(module) {
  return module.POST ?? module.default.POST; // version 4 builds CommonJS
}

function answer(told) {
  tell(`${JSON.stringify(told)}\n`);
}

async function measured(workflowId, args) {
  const begun = performance.now();
  const run = await start({ workflowId }, args);
  if (!longPolls) await ended(run);
  const value = await run.returnValue;
  const found = value instanceof ReadableStream ? await read(value, begun) : { value, wall_ms: performance.now() - begun };
  const [createdAt, completedAt] = await Promise.all([run.createdAt, run.completedAt]);
  return { ...found, run_ms: completedAt - createdAt };
}

async function ended({ runId }) {
  while (!ENDED.has(await getRun(runId).status)) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

async function read(stream, begun) {
  const chunks = [];
  let first_ms;
  for await (const chunk of stream) {
    first_ms ??= performance.now() - begun;
    chunks.push(chunk);
  }
  const wall_ms = performance.now() - begun;
  const sha256 = createHash("sha256");
  for (const chunk of chunks) sha256.update(chunk);
  return { bytes: chunks.reduce((total, { length }) => total + length, 0), sha256: sha256.digest("hex"), first_ms, wall_ms };
}
