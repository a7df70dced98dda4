import { createHook, getRun, getWorkflowMetadata, receive, sleep, start } from "workflow";
import { add } from "../steps.py";

export async function mailboxInOrder(n) {
  "use workflow";
  const seen = [];
  while (seen.length < n) seen.push(await receive("work"));
  return seen;
}

/** Take nothing before the hook is resumed. */
export async function mailboxTakesLate(token, n) {
  "use workflow";
  await createHook({ token });
  const seen = [];
  while (seen.length < n) seen.push(await receive("work"));
  return seen;
}

/** Take the messages of two mailboxes, each in its order, with a step and a sleep in between. */
export async function mailboxOfTwoNames() {
  "use workflow";
  const right = await receive("right");
  const sum = await add(right, await receive("left"));
  await sleep(1);
  return [sum, await receive("right"), await receive("left")];
}

export async function mailboxTimesOut() {
  "use workflow";
  const outcomes = [];
  for (let n = 0; n < 3; n++) {
    try {
      await receive("late", { timeout: 1 });
    } catch (error) {
      outcomes.push(error.name);
    }
  }
  const controller = new AbortController();
  const given = receive("late", { signal: controller.signal }).catch((reason) => outcomes.push(reason));
  controller.abort("given up");
  await given;
  await receive("go");
  return [outcomes, await receive("late", { timeout: "1h" }), await receive("late")];
}

export async function mailboxLeftBehind(n) {
  "use workflow";
  while (n-- > 0) await receive("work");
  return "enough";
}

/** Ask a child for a sum by messages. */
export async function mailboxBetweenRuns() {
  "use workflow";
  const child = await start(mailboxAnswers, [getWorkflowMetadata().workflowRunId]);
  await child.send("question", [1, 2]);
  await child.send("question", [3, 4]);
  return [await receive("answer"), await receive("answer"), await child.result()];
}

export async function mailboxAnswers(parent) {
  "use workflow";
  for (let n = 0; n < 2; n++) {
    const [a, b] = await receive("question");
    await getRun(parent).send("answer", a + b);
  }
  return "done";
}

/** Receive while steps and short sleeps keep the run awake and asleep in turns, until told to stop. */
export async function mailboxAmongOthers() {
  "use workflow";
  const seen = [];
  const awake = (async () => {
    for (let n = 0; n < 20; n++) {
      await add(n, 1);
      await sleep(1);
    }
  })();
  for (;;) {
    const message = await receive("work");
    if (message === "stop") break;
    seen.push(message);
  }
  await awake;
  return seen;
}

export async function mailboxWithBadName(name) {
  "use workflow";
  await receive(name);
}

const whole = {
  parse(value) {
    if (Number.isInteger(value)) return value;
    throw new RangeError(`${value} is not whole`);
  },
};

export async function mailboxTyped() {
  "use workflow";
  const seen = [];
  while (seen.length < 3) {
    try {
      seen.push(await receive("number", { schema: whole }));
    } catch (error) {
      seen.push(error.message);
    }
  }
  return seen;
}
