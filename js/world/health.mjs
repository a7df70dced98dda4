// Whether somebody is there: the SDK sends a message to a queue and reads the answer from a stream. Torpor has no queue
// to answer from, so that the server is asked, and what it says is put where the SDK reads.

const PREFIX = "__health_check__";

/** Return what asks the server, and puts its answers in front of the other streams. */
export function makeHealth(server, specVersion) {
  const answers = new Map();
  return {
    async ask(correlationId) {
      await server.get(["v1", "runs"], { limit: 1 });
      const told = { healthy: true, correlationId, specVersion, timestamp: Date.now() };
      answers.set(PREFIX + correlationId, new TextEncoder().encode(JSON.stringify(told)));
    },
    has: (name) => answers.has(name),
    over(streams) {
      const get = async (runId, name, startIndex) => {
        const answer = answers.get(name);
        answers.delete(name);
        return answer === undefined ? streams.get(runId, name, startIndex) : new Blob([answer]).stream();
      };
      return { ...streams, get };
    },
  };
}
