import { createHook, defineHook, resumeHook, sleep, start } from "workflow";
import { add } from "../steps.py";

export async function hookPayloads(customer) {
  "use workflow";
  const seen = [];
  for await (const payload of createHook({ metadata: { customer } })) {
    seen.push(payload.message);
    if (payload.done) break;
  }
  return seen;
}

export async function waitsFor(token) {
  "use workflow";
  return await createHook({ token });
}

export async function takesLate(token, n) {
  "use workflow";
  const early = createHook({ token });
  const go = createHook({ token: `${token}-go` });
  await go;
  const seen = [];
  for (let i = 0; i < n; i++) seen.push(await early);
  return seen;
}

export async function hookConflict(token) {
  "use workflow";
  const mine = createHook({ token });
  const owner = await mine.getConflict();
  if (owner === null) return await mine;
  try {
    return await mine;
  } catch (error) {
    return { error: error.name, token: error.token, owner: owner.runId };
  }
}

export async function hookDisposeReuse(token) {
  "use workflow";
  const first = createHook({ token });
  const payload = await first;
  first.dispose();
  return [payload, await createHook({ token: `${token}-second` })];
}

export async function disposedWhileAwaited(token) {
  "use workflow";
  const doomed = createHook({ token });
  const seen = (async () => {
    const payloads = [];
    for await (const payload of doomed) payloads.push(payload);
    return payloads;
  })();
  await createHook({ token: `${token}-stop` });
  doomed.dispose();
  return await seen;
}

export async function hookWithSleep(token) {
  "use workflow";
  const night = sleep("30d");
  const seen = [];
  for await (const payload of createHook({ token })) {
    seen.push(await add(payload, 1));
    if (seen.length === 3) return seen;
  }
  await night;
}

/** Race the next payload of many hooks with a short sleep, until `total` payloads have come. */
export async function manyHooksAndSleepRace(token, hooks, total) {
  "use workflow";
  const iterators = Array.from({ length: hooks }, (_, i) => createHook({ token: `${token}-${i}` })[Symbol.asyncIterator]());
  const next = (i) => iterators[i].next().then(({ value }) => ({ i, value }));
  const awaited = iterators.map((_, i) => next(i));
  const seen = iterators.map(() => []);
  let payloads = 0;
  let naps = 0;
  while (payloads < total) {
    const nap = sleep(1 + Math.floor(Math.random() * 3)).then(() => null);
    const winner = await Promise.race([...awaited, nap]);
    if (winner === null) {
      naps += 1;
      continue;
    }
    payloads += 1;
    seen[winner.i].push(winner.value);
    awaited[winner.i] = next(winner.i);
  }
  return { seen, naps };
}

export async function hookWithUnknownOption(token) {
  "use workflow";
  await createHook({ token, timeout: "3d" });
}

/** Do the work of a token once: whoever comes second takes the owner's result. */
export async function hookOwnerDoesIt(token) {
  "use workflow";
  using mine = createHook({ token, metadata: { work: token, since: new Date(0) } });
  const owner = await mine.getConflict();
  return owner === null ? await mine : { from: owner.runId, result: await owner.result() };
}

/** Dispose of a hook that keeps its token, and wait to be ended. */
export async function hookRetained(token) {
  "use workflow";
  const mine = createHook({ token, minRetention: "1h" });
  if (await mine.getConflict()) return "taken";
  const payload = await mine;
  mine.dispose();
  await createHook({ token: `${token}-end` });
  return payload;
}

export async function hookRetainedTooLong(token) {
  "use workflow";
  await createHook({ token, minRetention: "31d" });
}

const amounts = {
  "~standard": {
    version: 1,
    vendor: "a test",
    async validate(value) {
      const issues = [];
      if (typeof value?.amount !== "number") issues.push({ message: "expected a number", path: ["amount"] });
      if (typeof value?.by !== "string") issues.push({ message: "expected a string", path: [{ key: "by" }] });
      return issues.length > 0 ? { issues } : { value: { ...value, amount: value.amount * 100 } };
    },
  },
};
const approval = defineHook({ schema: amounts });
const positive = defineHook({
  schema: {
    parse(value) {
      if (value > 0) return BigInt(value);
      throw new RangeError(`${value} is not positive`);
    },
  },
});

/** Take payloads until one fits; tell what was wrong with the others. */
export async function hookTyped(token) {
  "use workflow";
  const wrong = [];
  for (const hook of [approval.create({ token }), positive.create({ token: `${token}-number` })]) {
    for (;;) {
      try {
        const payload = await hook;
        wrong.push(typeof payload === "bigint" ? Number(payload) : payload);
        break;
      } catch (error) {
        wrong.push(error.message.replaceAll(token, "TOKEN"));
      }
    }
  }
  return wrong;
}

/** Resume hooks of another run. */
export async function hookResumedByRun(token) {
  "use workflow";
  const other = await start(waitsFor, [token]);
  for (;;) {
    try {
      const { runId } = await resumeHook(token, "from a run");
      return [runId === other.runId, await other.result()];
    } catch (error) {
      if (error.name !== "HookNotFoundError") throw error;
      await sleep(5);
    }
  }
}
