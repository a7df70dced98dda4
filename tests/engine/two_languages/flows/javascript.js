import { createHook, start } from "workflow";

export async function javascriptChild(n, options) {
  "use workflow";
  const run = await start("python_grandchild", [n, options]);
  return (await run.returnValue) + (options.plus === 3 ? 100 : 0);
}

export async function javascriptThrows(message) {
  "use workflow";
  throw new RangeError(message);
}

export async function javascriptWaits(token) {
  "use workflow";
  return createHook({ token });
}

export async function passesTypesOn(price) {
  "use workflow";
  return (await start("keeps_types", [price])).returnValue;
}

export async function catchesPython(message) {
  "use workflow";
  const run = await start("workflow//./application.py//python_raises", [message]);
  try {
    await run.returnValue;
  } catch (error) {
    return [error.name, error.cause.name, error.cause.message];
  }
}

export async function passesPythonOn(message) {
  "use workflow";
  return (await start("python_raises", [message])).returnValue;
}
