// Looks payments up at i'mport, stores them in Redis, and posts a signed callback to each endpoint. The token is reused
// while it is valid; undici reuses connections.
import { createHmac } from "node:crypto";
import { Worker } from "bullmq";
import Redis from "ioredis";
import { Agent, request } from "undici";
import { connection, queue } from "./queues.mjs";

const { IMP_API_URL, IMP_KEY, IMP_SECRET, PEER_ENDPOINTS, PEER_SECRET, PEER_TIMEOUT, REDIS_URL } = process.env;
const endpoints = PEER_ENDPOINTS.split(",").filter(Boolean);
const secret = Buffer.from(PEER_SECRET, "base64");
const timeout = Number(PEER_TIMEOUT) * 1000;
const dispatcher = new Agent({ connections: 64, headersTimeout: timeout, bodyTimeout: timeout });
const store = new Redis(REDIS_URL);
const deliver = queue("deliver");
const concurrency = 50;

async function call(url, options = {}) {
  const { statusCode, body } = await request(url, { dispatcher, ...options });
  const text = await body.text();
  if (statusCode < 200 || statusCode > 299) throw new Error(`${url} answered ${statusCode}`);
  return text;
}

const json = { "content-type": "application/json" };
let token = { until: 0, text: undefined };

async function askToken() {
  const body = JSON.stringify({ imp_key: IMP_KEY, imp_secret: IMP_SECRET });
  const { response } = JSON.parse(await call(`${IMP_API_URL}/users/getToken`, { method: "POST", headers: json, body }));
  return response.access_token;
}

function getToken() {
  // One request for all jobs that wait for it. A token is good for half an hour.
  if (Date.now() > token.until) token = { until: Date.now() + 1_740_000, text: askToken() };
  return token.text;
}

const refreshing = new Worker("refresh", async ({ data: { imp_uid } }) => {
  const headers = { authorization: await getToken() };
  const payment = JSON.parse(await call(`${IMP_API_URL}/payments/${imp_uid}`, { headers })).response;
  const id = `evt_${imp_uid}_${payment.status}`;
  const event = JSON.stringify({ id, type: `payment.${payment.status}`, data: { imp_uid, payment } });
  if (await store.set(id, event, "NX")) {
    for (const url of endpoints) await deliver.add("deliver", { id, url });
  }
}, { connection: connection(), concurrency });

const delivering = new Worker("deliver", async ({ data: { id, url } }) => {
  const body = await store.get(id);
  const stamp = Math.floor(Date.now() / 1000).toString();
  const signature = createHmac("sha256", secret).update(`${id}.${stamp}.${body}`).digest("base64");
  const headers = { ...json, "webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": `v1,${signature}` };
  await call(url, { method: "POST", headers, body });
}, { connection: connection(), concurrency });

await Promise.all([refreshing.waitUntilReady(), delivering.waitUntilReady()]);
console.log("the worker is ready");
