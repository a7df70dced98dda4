import { createHook, createWebhook, getWritable, sleep, type RequestWithResponse } from "workflow";

export async function hook(token: string, customData: string) {
  "use workflow";
  const hook = createHook<{ message: string; done?: boolean }>({ token, metadata: { customData } });
  const payloads = [];
  for await (const payload of hook) {
    payloads.push({ ...payload, customData });
    if (payload.done) break;
  }
  return payloads;
}

export async function cleanedUp(token: string) {
  "use workflow";
  return createHook<{ n: number }>({ token });
}

export async function disposed(token: string) {
  "use workflow";
  const hook = createHook<{ n: number }>({ token });
  const payload = await hook;
  hook.dispose();
  await sleep("1 day");
  return payload;
}

export async function withSleep(token: string) {
  "use workflow";
  const hook = createHook<{ n: number; done?: boolean }>({ token });
  void sleep("1 day");
  const seen: number[] = [];
  for await (const payload of hook) {
    seen.push(await doubled(payload.n));
    if (payload.done) break;
  }
  return seen;
}

async function doubled(n: number) {
  "use step";
  return n * 2;
}

export async function conflict(token: string) {
  "use workflow";
  const hook = createHook({ token });
  const owner = await hook.getConflict();
  return owner === null ? null : owner.runId;
}

export async function webhooks() {
  "use workflow";
  const plain = createWebhook();
  const fixed = createWebhook({ respondWith: new Response("Hello from static response!", { status: 402 }) });
  const manual = createWebhook({ respondWith: "manual" });
  await tell([plain.url, fixed.url, manual.url]);
  const results = [];
  for (const request of [await plain, await fixed]) results.push(await seen(request));
  const request: RequestWithResponse = await manual;
  await respond(request);
  results.push({ url: request.url, method: request.method, body: "" });
  return results;
}

async function tell(urls: string[]) {
  "use step";
  return urls;
}

async function seen(request: Request) {
  "use step";
  return { url: request.url, method: request.method, body: await request.text() };
}

async function respond(request: RequestWithResponse) {
  "use step";
  await request.respondWith(new Response("Hello from webhook!"));
}

export async function bodyInWorkflow() {
  "use workflow";
  const webhook = createWebhook();
  await tell([webhook.url]);
  const request = await webhook;
  return request.json();
}

export async function expiring(token: string, ttl: string) {
  "use workflow";
  const hook = createHook<{ reason: string }>({ token });
  const ended = await Promise.race([hook, sleep(ttl).then(() => null)]);
  await publish(getWritable(), { type: "abort", reason: ended?.reason ?? "Controller expired", expired: ended === null });
}

async function publish(writable: WritableStream<unknown>, message: unknown) {
  "use step";
  const writer = writable.getWriter();
  await writer.write(message);
  await writer.close();
}
