import { createClient } from "graphql-ws";
import WebSocket from "ws";

const client = createClient({
  url: "ws://127.0.0.1:18600/graphql",
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: `Bearer ${process.env.TOCSIN_TOKEN}` },
});
const query = `subscription ($after: String) {
  statusChanges(after: $after) { cursor check { name } from to at reason }
}`;
for await (const r of client.iterate({ query })) {
  console.log(JSON.stringify(r));
}
