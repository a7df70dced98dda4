// Loaded before the suite's server, which would open its port to every network.

import { Server } from "node:net";

const { listen } = Server.prototype;

Server.prototype.listen = function (place, ...rest) {
  if (typeof place !== "number") return listen.call(this, place, ...rest);
  return listen.call(this, place, "localhost", ...rest.filter((each) => typeof each === "function"));
};
