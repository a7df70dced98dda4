import { held } from "../limited.py";

export async function holdsInJavascript(key, n) {
  "use workflow";
  const done = await Promise.all(Array.from({ length: n }, (_, i) => held(key, i)));
  return done.length;
}
