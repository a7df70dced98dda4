import { one } from "../application.py";

export async function burnsInJavaScript(turns) {
  "use workflow";
  let total = 0;
  for (let turn = 0; turn < turns; turn++) {
    for (let n = 0; n < 2e6; n++) total += n;
    total += await one();
  }
  return total;
}
