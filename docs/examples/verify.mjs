// Receives callbacks of iamport-relay and checks their signatures. Node 18 and newer, nothing to install.
//
// RELAY_ENDPOINT_SECRET=whsec_… PORT=3000 node verify.mjs

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const KEY = Buffer.from(process.env.RELAY_ENDPOINT_SECRET.replace(/^whsec_/, ""), "base64");
const TOLERANCE = 300; // seconds between the relay's clock and ours: older callbacks may be replayed ones

// Whether these are headers and body (a Buffer, before any parsing) of a genuine callback.
function verified(headers, body) {
  const { "webhook-id": id = "", "webhook-timestamp": timestamp = "", "webhook-signature": signature = "" } = headers;
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE) return false;
  const expected = createHmac("sha256", KEY).update(`${id}.${timestamp}.`).update(body).digest();
  // While a secret is being replaced there is a signature by each.
  return signature.split(" ").some((one) => {
    const given = Buffer.from(one.startsWith("v1,") ? one.slice(3) : "", "base64");
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!verified(request.headers, body)) return response.writeHead(401).end();
  const event = JSON.parse(body);
  console.log(event.type, event.id);
  response.writeHead(204).end();
}).listen(Number(process.env.PORT ?? 3000), "127.0.0.1");
