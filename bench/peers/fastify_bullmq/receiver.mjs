// Takes webhooks: the job is on disk when the answer goes out, as Redis syncs every write.
import Fastify from "fastify";
import { queue } from "./queues.mjs";

const refresh = queue("refresh");
const app = Fastify();

app.post("/webhooks", async (request) => {
  await refresh.add("refresh", { imp_uid: request.body.imp_uid });
  return { status: "accepted" };
});

await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
