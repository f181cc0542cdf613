// What receiver and worker share: the two queues in Redis, whose jobs leave once they are done.
import { Queue } from "bullmq";
import Redis from "ioredis";

export const connection = () => new Redis(process.env.PEER_QUEUE_URL, { maxRetriesPerRequest: null });

const defaultJobOptions = {
  attempts: 20,
  backoff: { type: "exponential", delay: 1000 },
  removeOnComplete: true,
};

export const queue = (name) => new Queue(name, { connection: connection(), defaultJobOptions });
