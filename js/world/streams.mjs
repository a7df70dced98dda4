// Streams: chunks are frames, which come and go as they are.

const HEADER_BYTES = 4;
const AHEAD_BYTES = 1 << 20;

/** Return what a World has about streams. */
export function makeStreams(server) {
  const place = (runId, name, ...rest) => ["v1", "sdk", "runs", runId, "streams", name, ...rest];
  const write = async (runId, name, chunks, query) => {
    const bytes = (await Promise.all(chunks)).map((chunk) => Buffer.from(chunk));
    await server.post(place(await runId, name), Buffer.concat(bytes), query);
  };
  const page = (runId, name, query) => server.get(place(runId, name, "chunks"), query);
  return {
    write: (runId, name, chunk) => write(runId, name, [chunk]),
    writeMulti: (runId, name, chunks) => write(runId, name, chunks),
    close: (runId, name) => write(runId, name, [], { close: true }),
    get: async (runId, name, startIndex = 0) => following(server, place(runId, name), startIndex),
    async list(runId) {
      return (await server.get(["v1", "runs", runId, "streams"])).map((stream) => stream.stored_name);
    },
    async getChunks(runId, name, { limit, cursor } = {}) {
      const { data, next, hasMore, done } = await page(runId, name, { limit, start: cursor });
      const chunks = data.map(({ index, data: text }) => ({ index, data: new Uint8Array(Buffer.from(text, "base64")) }));
      return { data: chunks, cursor: hasMore ? String(next) : null, hasMore, done };
    },
    async getInfo(runId, name) {
      const { tailIndex, done } = await page(runId, name, { limit: 1 });
      return { tailIndex, done };
    },
  };
}

/** Return a stream of bytes of the chunks; where the line is cut, it goes on behind the last whole chunk. */
function following(server, parts, startIndex) {
  const giveUp = new AbortController();
  let start = startIndex;
  let answer;
  let rest = Buffer.alloc(0);
  const open = async () => {
    rest = Buffer.alloc(0);
    answer = (await server.open("GET", parts, { query: { start }, signal: giveUp.signal }))[Symbol.asyncIterator]();
  };
  const source = {
    async pull(controller) {
      for (;;) {
        if (answer === undefined) await open();
        let piece;
        try {
          piece = await answer.next();
        } catch (error) {
          if (giveUp.signal.aborted || start < 0) throw error; // from the end nobody knows what is behind
          answer = undefined;
          continue;
        }
        if (piece.done) return controller.close();
        rest = Buffer.concat([rest, piece.value]);
        const [count, end] = wholeFrames(rest);
        if (count === 0) continue;
        controller.enqueue(new Uint8Array(rest.subarray(0, end)));
        rest = rest.subarray(end);
        if (start >= 0) start += count;
        return;
      }
    },
    cancel: () => giveUp.abort(),
  };
  // What has ended is read to its end, also where nobody goes on to read: a line that is open keeps the process alive.
  return new ReadableStream(source, new ByteLengthQueuingStrategy({ highWaterMark: AHEAD_BYTES }));
}

/** Return how many whole frames there are at the beginning of bytes, and where they end. */
function wholeFrames(bytes) {
  let count = 0;
  let end = 0;
  while (end + HEADER_BYTES <= bytes.length) {
    const behind = end + HEADER_BYTES + bytes.readUInt32BE(end);
    if (behind > bytes.length) break;
    end = behind;
    count++;
  }
  return [count, end];
}
