// The page: connects what is captured, the stream and what is seen.

import { Capture, Refusal, devices } from "./capture.js";
import { setUpFiles } from "./files.js";
import { Stream, seconds } from "./stream.js";
import { $, View } from "./view.js";

const MOST_LINES = 100_000;
const base = new URL(".", location.href);
const token = new URLSearchParams(location.search).get("token") ?? "";
const address = (path) => new URL(path, base);

// Who knows this name may watch the lines: it is this browser's, and hard to guess.
const bytes = crypto.getRandomValues(new Uint8Array(16)); // there without TLS too, unlike randomUUID
let name = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
try {
  name = localStorage.getItem("watch") || name;
  localStorage.setItem("watch", name);
} catch { /* site data is blocked: the name is this page view's */ }
$("overlay").href = address(`overlay?${new URLSearchParams({ token, watch: name })}`).href;
// The server writes its policy into the page: no camera is asked for where none may be used.
const policy = document.documentElement.dataset.policy;
const pictures = policy !== "text-only";

const view = new View();
let lines = [];
let size = [640, 480]; // of the pictures that are sent
let seq = 0;
let sent = [];
let drops = { server: 0, here: 0 };
let speaking = false;
let wanted = false; // from Start to Stop

const stream = new Stream(address("v1/stream").href.replace(/^http/, "ws").split("?")[0], token, {
  state: show,
  line(line, text) {
    if (lines.push(text) > MOST_LINES) lines.shift();
    $("save").disabled = false;
    if (line.type === "session") view.clear();
    if (line.type === "emotion") {
      view.emotion(line, () => stream.at(seconds()));
      if (line.final) heard(false);
    }
    if (line.type === "partial") heard(true);
    if (line.type === "partial" || line.type === "utterance") {
      view.said(line.id, line.text, line.type === "partial");
    }
    if (line.type === "health") {
      drops.server = Object.values(line.drops).reduce((sum, n) => sum + n, 0);
      figures();
    }
  },
  face(message) {
    if (capture.hasVideo) view.face(message.box, ...size, message.person);
  },
  ack(message) {
    if (message.dropped) drops.here++;
  },
  text(message) {
    view.typed(message);
  },
});

const capture = new Capture($("video"), {
  sound(samples, t) {
    stream.send("audio", samples.buffer, t);
  },
  ready: () => stream.open && stream.unacked === 0,
  picture(jpeg, t, width, height) {
    size = [width, height];
    if (stream.send("video", jpeg, t, ++seq)) sent.push(seconds());
  },
  gone(kind) {
    missing(`The ${kind} was unplugged, or is not allowed any more.`);
    stage();
    if (!capture.rate && !capture.hasVideo) stop();
  },
});

function show(name, text = "") {
  view.state(name, text);
  const on = !["failed", "idle"].includes(name);
  if (!on) {
    wanted = false;
    capture.stop();
  }
  $("start").hidden = on;
  $("stop").hidden = !on;
  $("overlay").hidden = !on;
  stage();
}

function stage() {
  const camera = pictures ? "The camera is off." : "No camera is used.";
  const off = pictures ? "Camera and microphone are off." : "The microphone is off, and no camera is used.";
  $("empty").textContent = capture.rate ? camera : off;
  $("empty").hidden = capture.hasVideo;
  if (!capture.hasVideo) view.face(null, ...size);
}

function missing(text) {
  $("missing").textContent += `${text} `;
}

function heard(now) {
  if (now === speaking || !stream.open) return;
  speaking = now;
  view.state(now ? "speaking" : "listening");
}

function figures() {
  sent = sent.filter((t) => t > seconds() - 5);
  $("rate").textContent = (sent.length / 5).toFixed(1);
  $("drops").textContent = `${drops.server} by the server, ${drops.here} pictures`;
}

async function start() {
  wanted = true;
  speaking = false;
  $("missing").textContent = "";
  show("connecting");
  try {
    const lacking = await capture.start($("mics").value, $("cams").value, pictures);
    if (lacking === null) return; // stopped meanwhile, or another device was chosen
    if (lacking) missing(lacking);
  } catch (error) {
    show("failed", error instanceof Refusal ? error.message : String(error));
    return;
  }
  list();
  lines = [];
  drops = { server: 0, here: 0 };
  stream.start(() => ({
    ...(capture.rate && { audio: { rate: capture.rate } }),
    ...(capture.hasVideo && { video: { faces: true } }),
    watch: name,
  }));
  capture.flow();
}

// The devices at once; the last lines of the session may follow.
function stop() {
  wanted = false;
  capture.stop();
  stream.stop();
}

async function list() {
  for (const [id, kind] of [["mics", "audioinput"], ["cams", "videoinput"]]) {
    const found = (await devices(kind)).map((d) => new Option(d.label || d.deviceId, d.deviceId));
    const chosen = $(id).value;
    $(id).replaceChildren(new Option("default", ""), ...found);
    $(id).value = found.some((option) => option.value === chosen) ? chosen : "";
  }
}

async function classify(text) {
  if (stream.say({ type: "text", text })) return;
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const body = JSON.stringify({ text });
  const answer = await fetch(address("v1/text"), { method: "POST", headers, body });
  const found = await answer.json();
  if (answer.ok) view.typed(found);
  else view.state("failed", found.error);
}

$("start").onclick = start;
$("stop").onclick = stop;
$("save").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n"), "\n"], { type: "application/x-ndjson" }));
  link.download = `mmer-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};
for (const id of ["mics", "cams"]) {
  $(id).onchange = () => {
    if (!wanted) return;
    stream.leave();
    start();
  };
}
$("typing").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  $("text").value = "";
  if (text) classify(text).catch(() => view.state("failed", "the server does not answer: is it running?"));
};
navigator.mediaDevices?.addEventListener("devicechange", list);
if (!pictures) {
  $("camera").hidden = true;
  $("start").textContent = "I agree: start microphone";
  stage();
}
$("files").hidden = policy === "no-store";
setUpFiles(address("v1/recognize"), token);
list();
