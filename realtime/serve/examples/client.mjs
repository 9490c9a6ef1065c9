// Send raw sound, 16 kHz int16 mono, to a server: node client.mjs URL < sound.raw (node 22 or newer)
import { readFileSync } from "node:fs";

const url = new URL(process.argv[2]);
const socket = new WebSocket(`${url.origin.replace("http", "ws")}/v1/stream`);
const start = { type: "start", token: url.searchParams.get("token"), audio: { rate: 16000 }, options: { pace: "max" } };
socket.onopen = () => socket.send(JSON.stringify(start));
socket.onmessage = ({ data }) => {
  const line = JSON.parse(data);
  if (line.type === "error") console.error(line.text);
  if (line.final) console.log(line.t, line.label);
  if (line.type !== "started") return;
  const sound = readFileSync(0);
  for (let at = 0; at < sound.length; at += 32000) {
    const header = Buffer.from(JSON.stringify({ kind: "audio", t: at / 32000 }));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(header.length);
    socket.send(Buffer.concat([length, header, sound.subarray(at, at + 32000)]));
  }
  socket.send('{"type":"stop"}');
};
