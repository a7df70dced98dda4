import { createHook, sleep } from "workflow";
import { echo, fails, fatal, held } from "../application.py";

const constant = "qProgramxK41";

export async function secrets(argument) {
  "use workflow";
  const variable = ["qVariable", "xK41"].join("");
  const answer = await echo("qGivenxK41");
  console.log(`qLog${"xK41"}`, argument.length);
  try {
    await fails();
  } catch (error) {
    console.warn(error.message.length);
  }
  const payload = await createHook({ token: "secret-hook", metadata: { note: "qMetadataxK41" } });
  return [variable.length, answer, payload, constant.length];
}

export async function failing() {
  "use workflow";
  await fatal();
}

export async function throwing(words) {
  "use workflow";
  throw new Error(words + "xK41");
}

export async function patient(token) {
  "use workflow";
  const drawn = Math.random();
  const payload = await createHook({ token });
  await sleep(1);
  return [drawn, payload];
}

export async function holds() {
  "use workflow";
  return await held();
}
