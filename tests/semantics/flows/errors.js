import { createHook, FatalError, sleep } from "workflow";
import { breakHere } from "./helping.js";
import {
  asks_for_an_hour,
  copies,
  echo,
  fails,
  fails_across_files,
  fails_once,
  fails_with,
  fails_with_notes,
  naps,
  refuses,
  unstable,
} from "../steps.py";

export async function errorNested() {
  "use workflow";
  await sleep(1);
  try {
    outer();
  } catch (cause) {
    throw new TypeError("outermost failed", { cause });
  }
}

function outer() {
  inner();
}

function inner() {
  throw new RangeError("innermost failed");
}

export async function errorAcrossFiles() {
  "use workflow";
  await sleep(1);
  breakHere();
}

export async function stepErrorCaught() {
  "use workflow";
  return await caught(fails);
}

export async function stepErrorAcrossFiles() {
  "use workflow";
  return await caught(fails_across_files);
}

async function caught(step) {
  try {
    await step();
  } catch (error) {
    const { message, attempts, cause } = error;
    return { message, attempts, cause: cause.message, stack: cause.stack };
  }
}

export async function stepErrorUncaught() {
  "use workflow";
  await fails();
}

export async function retryUntilSuccess() {
  "use workflow";
  return await unstable();
}

export async function retryAfter() {
  "use workflow";
  return await asks_for_an_hour();
}

export async function maxRetriesZero() {
  "use workflow";
  await fails_once();
}

export async function fatal() {
  "use workflow";
  await refuses();
}

export async function fatalIs() {
  "use workflow";
  try {
    await refuses();
  } catch (error) {
    return [FatalError.is(error), error.message];
  }
}

export async function throwsFatal() {
  "use workflow";
  throw new FatalError("the workflow gives up");
}

export async function callsWithTooMany() {
  "use workflow";
  try {
    return await unstable(1, 2);
  } catch (error) {
    return error.message;
  }
}

export async function catchesUnknownStep() {
  "use workflow";
  try {
    return await unstable();
  } catch (error) {
    return error.message;
  }
}

export async function retriesSome() {
  "use workflow";
  const messages = [];
  for (const kind of ["refused", "missing", "wrong", "later"]) messages.push(await messageOf(fails_with(kind)));
  return messages;
}

export async function callsWithOptions(token) {
  "use workflow";
  const once = fails_with.withOptions({ maxRetries: 1 });
  await createHook({ token });
  const impatient = naps.withOptions({ timeout: 10, maxRetries: 0 });
  const watched = naps.withOptions({ heartbeat: 10, maxRetries: 0 });
  return [
    await messageOf(once("refused")),
    await messageOf(once.withOptions({ backoff: { first: 1 } })("later")),
    await messageOf((await echo(once))("refused")),
    await messageOf(impatient()),
    await messageOf(watched()),
    await messageOf(naps.withOptions({ scheduleToClose: 10 })()),
    await messageOf(fails_with.withOptions({ scheduleToClose: "1h" })("in an hour")),
  ];
}

async function messageOf(call) {
  try {
    await call;
  } catch (error) {
    return error.message;
  }
  return "succeeded";
}

export async function errorWithNotes() {
  "use workflow";
  await fails_with_notes();
}

export async function swallowing() {
  "use workflow";
  const swallowed = [];
  try {
    await echo("asleep");
    await sleep("1m");
  } catch (error) {
    swallowed.push(error.name);
  }
  return swallowed;
}

export async function goesOnWhereItWas(gate) {
  "use workflow";
  return await copies(gate, 5);
}
