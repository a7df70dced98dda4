import { createHook, sleep, start } from "workflow";
import { laterOn } from "../application.py";

export async function naps(answer) {
  "use workflow";
  await sleep("1h");
  return answer;
}

export async function stands(token) {
  "use workflow";
  console.log("it stands");
  createHook({ minRetention: "1h" }).dispose();
  const payloads = createHook({ token })[Symbol.asyncIterator]();
  const child = await start(naps, ["child"]);
  const first = (await payloads.next()).value;
  const others = [payloads.next(), laterOn("step"), child.returnValue, sleep("1h")];
  const [second, step, nap] = await Promise.all(others);
  return [first, second.value, step, nap].join(" ");
}
