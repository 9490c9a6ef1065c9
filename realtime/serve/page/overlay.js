// Overlay: the newest label, bars and words of the sessions of one name, on nothing.
// ?watch=NAME names them, ?show=label,bars,words chooses; after FADE_S without a label it is empty.

import { $, bars, element } from "./view.js";

const FADE_S = 5;
const AGAIN_MS = 1000;
const query = new URLSearchParams(location.search);
const shown = (query.get("show") ?? "label,words").split(",");
const address = new URL("v1/watch", new URL(".", location.href)).href.replace(/^http/, "ws");
const rows = bars($("bars"));
let fading = null;
let person; // of several, who spoke last

$("label").hidden = !shown.includes("label");
$("bars").hidden = !shown.includes("bars");
$("said").hidden = !shown.includes("words");

function draw(line) {
  if (line.type === "partial" || line.type === "utterance") {
    $("said").textContent = line.text;
    return;
  }
  if (line.type !== "emotion") return;
  if (line.final || line.provisional) person = line.person;
  person ??= line.person;
  if (line.label === null || line.person !== person) return;
  clearTimeout(fading);
  fading = setTimeout(() => ($("over").hidden = true), 1000 * FADE_S);
  $("over").hidden = false;
  $("label").textContent = line.label;
  $("label").style.color = `var(--${line.label})`;
  $("label").classList.toggle("provisional", line.provisional === true);
  $("label").append(element("small", ` ${Math.round(100 * line.confidence)} %`));
  for (const [name, [bar, value]] of rows) {
    const percent = Math.round(100 * line.probs[name]);
    bar.style.width = `${percent}%`;
    value.textContent = `${percent} %`;
  }
}

function connect() {
  const name = query.get("watch") ?? "";
  if (!name) return ($("state").textContent = "the address lacks &watch=NAME: take it from the page of mmer-serve");
  const socket = new WebSocket(address);
  socket.onopen = () => socket.send(JSON.stringify({ type: "watch", token: query.get("token") ?? "", name }));
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "error") $("state").textContent = message.text;
    else if (message.type === "watching") $("state").textContent = "";
    else draw(message);
  };
  socket.onclose = ({ code }) => {
    if (code !== 4001 && code !== 1008) setTimeout(connect, AGAIN_MS);
  };
}

connect();
