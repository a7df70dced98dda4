#!/usr/bin/env node
// The official web UI of the Workflow SDK on the runs of a Torpor server, for this machine only: the SDK's own command
// opens its port to every network. `TORPOR_URL` and `TORPOR_TOKEN` are as for the World; whoever reaches the port may do
// what the token may.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";

const HOST = "127.0.0.1";
const PORT = 3456;
const NODE_MIN = 22;
const BODILESS = new Set(["GET", "HEAD"]);

process.env.WORKFLOW_TARGET_WORLD ??= "torpor-world";
const port = Number(process.argv[2] ?? PORT);
const handle = await (await webUI()).createWorkflowWebHandler();
const server = createServer((asked, answer) => {
  respond(asked, answer).catch((error) => {
    console.error(error);
    answer.destroy();
  });
});
server.listen(port, HOST, () => console.log(`the web UI is at http://${HOST}:${server.address().port}`));

/** Load the UI that came with the project's own SDK. */
async function webUI() {
  if (Number(process.versions.node.split(".")[0]) < NODE_MIN) {
    throw new Error(`the SDK's web UI needs Node ${NODE_MIN} or newer, and this is ${process.versions.node}`);
  }
  const ofProject = createRequire(join(process.cwd(), "package.json"));
  const ofSdk = createRequire(ofProject.resolve("workflow/api"));
  return import(pathToFileURL(ofSdk.resolve("@workflow/web/handler")).href);
}

async function respond(asked, answer) {
  const url = new URL(asked.url, `http://${HOST}:${server.address().port}`);
  if (!isOwn(asked)) {
    answer.writeHead(403).end("this is for pages of this address\n");
    return;
  }
  const gone = new AbortController();
  answer.on("close", () => gone.abort());
  const body = BODILESS.has(asked.method) ? undefined : Readable.toWeb(asked);
  const about = { method: asked.method, headers: headersOf(asked), body, duplex: "half", signal: gone.signal };
  const told = await handle(new Request(url, about));
  answer.writeHead(told.status, Object.fromEntries(told.headers));
  if (told.body === null) answer.end();
  else await told.body.pipeTo(new WritableStream(sinkOf(answer))).catch(() => answer.destroy());
}

/** Tell whether a request is for this address, and from no page of another one: a browser says so. */
function isOwn({ headers }) {
  const here = `${HOST}:${server.address().port}`;
  const isHere = headers.host === here || headers.host === here.replace(HOST, "localhost");
  return isHere && (headers.origin === undefined || headers.origin === `http://${headers.host}`);
}

function headersOf(asked) {
  const headers = new Headers();
  for (let at = 0; at < asked.rawHeaders.length; at += 2) headers.append(asked.rawHeaders[at], asked.rawHeaders[at + 1]);
  return headers;
}

function sinkOf(answer) {
  return {
    write: (piece) => new Promise((resolve, reject) => answer.write(piece, (error) => (error ? reject(error) : resolve()))),
    close: () => answer.end(),
  };
}
