// Prints what this Node answers to the cases on its standard input: [[name, body], …] → { name: answer }.
//
// An answer is JSON of what the body of an async function returns, or of what it throws: `Name: message`.

const cases = JSON.parse(await new Response(process.stdin).text());
const AsyncFunction = (async () => {}).constructor;
const answers = {};
for (const [name, body] of cases) {
  try {
    answers[name] = (await new AsyncFunction(body)()) ?? null;
  } catch (error) {
    answers[name] = `${error.name}: ${error.message}`;
  }
}
console.log(JSON.stringify(answers));
