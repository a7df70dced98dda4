// Times the npm package devalue, and JSON, on the payloads that come as JSON on standard input; answers with JSON.
import { parse, stringify } from "devalue";

let text = "";
for await (const chunk of process.stdin) text += chunk;
const { payloads, samples, seconds } = JSON.parse(text);

// Microseconds of one call: each sample is as many calls as fit into the given time, measured after a warm-up.
function measure(work) {
  let calls = 1;
  for (;;) {
    const begun = performance.now();
    for (let i = 0; i < calls; i++) work();
    if (performance.now() - begun >= seconds * 1000) break;
    calls *= 2;
  }
  return Array.from({ length: samples }, () => {
    const begun = performance.now();
    for (let i = 0; i < calls; i++) work();
    return ((performance.now() - begun) * 1000) / calls;
  });
}

const codecs = { devalue: [stringify, parse], json: [JSON.stringify, JSON.parse] };
const answer = {};
for (const [name, [encode, decode]] of Object.entries(codecs)) {
  answer[name] = {};
  for (const [payload, value] of Object.entries(payloads)) {
    const encoded = encode(value);
    answer[name][payload] = { encode: measure(() => encode(value)), decode: measure(() => decode(encoded)) };
  }
}
process.stdout.write(JSON.stringify(answer));
