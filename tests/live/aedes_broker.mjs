// aedes under the rules of tests/live/brokers.py, for tests/live/test_other_brokers.py.
import net from "node:net";
import path from "node:path";
import { pathToFileURL } from "node:url";

const { port, passwords, modules } = JSON.parse(process.argv[2]);
const { Aedes } = await import(pathToFileURL(path.join(modules, "aedes", "aedes.js")));

function mayReceive(user, topic) {
  return !["one", "two"].includes(user) || topic.startsWith(`dev/${user}/`) || topic.startsWith("all/");
}

Aedes.createBroker().then((broker) => {
  broker.authenticate = (client, user, password, done) => {
    client.user = user;
    if (!user || passwords[user] === String(password)) return done(null, true);
    const refused = new Error("unknown");
    refused.returnCode = 5;
    done(refused, false);
  };
  broker.authorizePublish = (client, packet, done) => {
    const isDevice = client && ["one", "two"].includes(client.user);
    done(isDevice && !packet.topic.startsWith(`dev/${client.user}/`) ? new Error("not allowed") : null);
  };
  broker.authorizeForward = (client, packet) => (mayReceive(client.user, packet.topic) ? packet : null);
  net.createServer(broker.handle).listen(port, "127.0.0.1", () => console.error("running"));
});
