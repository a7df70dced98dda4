import { parse, stringify } from "./codec/codec.js";

export async function repeat(way, times, value) {
  "use workflow";
  const text = stringify(value);
  if (way === "encode") for (let i = 0; i < times; i++) stringify(value);
  else for (let i = 0; i < times; i++) parse(text);
}
