import { CancelledError, cancelSignal, cleanup, createHook, receive, sleep, start } from "workflow";
import { echo, never, note, obey, sleeps_in_thread } from "../steps.py";

export async function cleansUp(diary) {
  "use workflow";
  try {
    await sleep("1y");
  } finally {
    await note(diary, "released");
    await sleep("1s");
    await note(diary, "after a second");
  }
}

export async function cleansUpInCatch(diary) {
  "use workflow";
  try {
    await createHook({ token: diary });
  } catch (error) {
    if (CancelledError.is(error)) await note(diary, error.message);
    throw error;
  }
}

export async function cleansUpByHelper(diary) {
  "use workflow";
  try {
    await never();
  } finally {
    await undo(diary);
  }
}

async function undo(diary) {
  for (let n = 0; n < 3; n++) await note(diary, `undone ${n}`);
}

export async function cleansUpTogether(diary) {
  "use workflow";
  const part = async (name) => {
    try {
      await never();
    } finally {
      await note(diary, name);
    }
  };
  try {
    await Promise.all([part("a"), part("b")]);
  } finally {
    await Promise.all([note(diary, "c"), note(diary, "d")]);
  }
}

export async function swallows(diary) {
  "use workflow";
  for (let n = 0; n < 3; n++) {
    try {
      await sleep("1y");
    } catch {
      await note(diary, `swallowed ${n}`);
    }
  }
  await note(diary, "went on");
  return "done";
}

export async function swallowsAndReturns(diary) {
  "use workflow";
  try {
    await sleep("1y");
  } catch {
    await note(diary, "swallowed");
  }
  return "done";
}

export async function failsInCleanup() {
  "use workflow";
  try {
    await sleep("1y");
  } finally {
    throw new RangeError("broken cleanup");
  }
}

export async function cleansUpForEver(diary) {
  "use workflow";
  try {
    await sleep("1y");
  } finally {
    await note(diary, "begun");
    await sleep("1y");
    await note(diary, "never");
  }
}

export async function cleansUpInManySteps(diary) {
  "use workflow";
  try {
    await sleep("1y");
  } finally {
    for (let n = 0; n < 10; n++) await note(diary, String(n));
  }
}

export async function waitsForSteps(diary) {
  "use workflow";
  await Promise.all([obey(diary), sleeps_in_thread(diary)]);
}

export async function parentOf(child, diary, detached) {
  "use workflow";
  const run = await start(child, [diary], { detached });
  await createHook({ metadata: await echo(run.runId) });
  return run.result();
}

export async function computesLong(diary, rounds) {
  "use workflow";
  await createHook({ token: diary });
  let total = 0;
  for (let n = 0; n < rounds; n++) total += n;
  try {
    await sleep("1y");
  } finally {
    await note(diary, "released");
  }
}

export async function sleepsInACrowd() {
  "use workflow";
  await sleep("1y");
}

export async function cleansUpBySignal(diary) {
  "use workflow";
  const signal = cancelSignal();
  signal.addEventListener("abort", () => {
    cleanup(async () => {
      await note(diary, signal.reason.message);
      await note(diary, "and more");
    });
  });
  await sleep("1y");
}

export async function cleansUpByPromise(diary) {
  "use workflow";
  await sleep("1y").finally(() => note(diary, "released"));
}

export async function cleansUpByMessage(diary) {
  "use workflow";
  try {
    await sleep("1y");
  } finally {
    await note(diary, await receive("confirmed", { timeout: "1h" }));
    await note(diary, await receive("confirmed"));
  }
}

export async function hasBegunToCleanUp(diary) {
  "use workflow";
  await cleanup(async () => {
    await note(diary, await receive("confirmed", { timeout: "1h" }));
    await note(diary, await receive("confirmed"));
  });
  await note(diary, "too much");
}
