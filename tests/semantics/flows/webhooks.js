import { createHook, createWebhook, sleep } from "workflow";
import { answer, answer_in_thread, answer_nothing, answer_twice, describe } from "./webhook_steps.py";

/** The three ways to answer, one after the other. */
export async function webhook(token) {
  "use workflow";
  const seen = [];
  const plain = createWebhook({ token: `${token}-plain` });
  const fixed = createWebhook({
    token: `${token}-static`,
    respondWith: new Response("Hello from static response!", { status: 402, headers: { "x-kind": "static" } }),
  });
  const manual = createWebhook({ token: `${token}-manual`, respondWith: "manual", metadata: { what: token } });
  for (const hook of [plain, fixed, manual]) {
    const request = await hook;
    const { method, url, headers } = request;
    seen.push({ method, url, kind: headers.get("content-type"), text: await request.text() });
    seen.push(await describe(request));
    if (hook === manual) await answer(request, "Hello from webhook!");
  }
  return { urls: [plain, fixed, manual].map((hook) => hook.url), seen };
}

/** Answer in workflow code, and in a step on a thread. */
export async function webhookAnswers(token) {
  "use workflow";
  const hook = createWebhook({ token, respondWith: "manual" });
  const first = await hook;
  await first.respondWith(Response.json({ got: await first.json() }, { status: 207 }));
  await answer_in_thread(await hook);
  const told = [];
  for (const step of [answer_twice, answer_nothing]) {
    try {
      await step(await hook);
    } catch (error) {
      told.push(error.name);
    }
  }
  return told;
}

/** Take requests until one says that it is the last, and answer none. */
export async function webhookRequests(options, last) {
  "use workflow";
  const seen = [];
  for await (const request of createWebhook(options)) {
    const bytes = await request.bytes();
    seen.push([request.method, bytes.length, request.body === null]);
    if (new TextDecoder().decode(bytes) === last) break;
  }
  return seen;
}

/** Tell two callers which of the deliveries theirs is. */
export async function webhookEchoes(options) {
  "use workflow";
  const hook = createWebhook({ ...options, respondWith: "manual" });
  for (const n of [1, 2]) {
    const request = await hook;
    await request.respondWith(new Response(String(n)));
  }
  return 2;
}

/** Keep a caller waiting, and end. */
export async function webhookEnds(token) {
  "use workflow";
  await createWebhook({ token, respondWith: "manual" });
}

export async function webhookRefused(options) {
  "use workflow";
  createWebhook(options);
  await sleep("1h");
}

export async function webhookNotManual(token) {
  "use workflow";
  const request = await createWebhook({ token });
  await request.respondWith(new Response("too late"));
}

export async function hookNotPublic(token) {
  "use workflow";
  return await createHook({ token });
}
