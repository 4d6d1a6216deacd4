// Makes a site and a check, subscribes to all that happens to it, and writes what it sees to stdout, a JSON object a line.
// Whenever it is cut off, it comes back with the cursor of the last event of each subscription.
//
// Usage: node client.js '{"url": "ws://127.0.0.1:8000/graphql", "token": "...", "check": {"target": {...}, ...}}'
// It ends when its stdin does.

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const settings = JSON.parse(process.argv[2]);

const CREATE_SITE = `mutation ($input: CreateSiteInput!) { createSite(input: $input) { ... on Site { id } } }`;
const CREATE_CHECK = `mutation ($input: CreateCheckInput!) { createCheck(input: $input) { ... on Check { id } } }`;
const SUBSCRIPTIONS = {
  checkResults: `subscription ($check: ID, $after: String) { checkResults(checkId: $check, after: $after) {
    cursor result { slot outcome reason } } }`,
  statusChanges: `subscription ($check: ID, $after: String) { statusChanges(checkId: $check, after: $after) {
    cursor from to reason } }`,
  incidentEvents: `subscription ($check: ID, $after: String) { incidentEvents(checkId: $check, after: $after) {
    cursor kind incident { status check { id } } } }`,
};

const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const fail = (error) => {
  write({ failed: error?.message ?? error?.reason ?? error });
  process.exit(1);
};

// Where a subscription begins that has not seen any event yet.
let start;
const client = createClient({
  url: settings.url,
  webSocketImpl: WebSocket,
  lazy: false,
  connectionParams: { Authorization: `Bearer ${settings.token}` },
  retryAttempts: Infinity,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 20)),
  shouldRetry: () => true,
  onNonLazyError: fail,
  on: {
    connected: (_socket, acknowledgement) => {
      start ??= acknowledgement.cursor;
      write({ connected: true });
    },
  },
});

const ask = async (query, input) => {
  for await (const result of client.iterate({ query, variables: { input } })) {
    if (result.errors) throw new Error(JSON.stringify(result.errors));
    return Object.values(result.data)[0].id;
  }
};

const follow = (name, check) => {
  // Sent anew after each interruption, with what stands in it then.
  const payload = { query: SUBSCRIPTIONS[name], variables: { check, after: start } };
  client.subscribe(payload, {
    next: ({ data, errors }) => {
      if (errors) fail(JSON.stringify(errors));
      const { cursor, ...event } = data[name];
      payload.variables.after = cursor;
      write({ [name]: event });
    },
    error: (errors) => fail(JSON.stringify(errors)),
    complete: () => fail(`${name} has ended`),
  });
};

try {
  const site = await ask(CREATE_SITE, { name: 'site of a client' });
  const check = await ask(CREATE_CHECK, { siteId: site, name: 'check of a client', ...settings.check });
  write({ made: { site, check } });
  for (const name of Object.keys(SUBSCRIPTIONS)) follow(name, check);
} catch (error) {
  fail(error);
}

process.stdin.resume().on('end', () => process.exit(0));
