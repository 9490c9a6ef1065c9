// A recorded file: uploaded, analysed by the server, its utterances shown as they come.

import { $, LABELS, element } from "./view.js";

export function setUpFiles(address, token) {
  let request = null;

  function analyse(file) {
    request?.abort();
    const mine = (request = new XMLHttpRequest());
    let read = 0;
    let duration = null;
    let problem = ""; // why the answer will break off
    const texts = new Map();
    $("found").replaceChildren();
    $("progress").hidden = false;
    $("progress").value = 0;
    $("filestate").textContent = `sending ${file.name}`;
    mine.open("POST", address);
    if (token) mine.setRequestHeader("Authorization", `Bearer ${token}`);
    mine.upload.onprogress = (event) => {
      if (event.lengthComputable) $("progress").value = (0.2 * event.loaded) / event.total;
    };
    mine.onprogress = () => {
      if (mine.status !== 200) return;
      const end = mine.responseText.lastIndexOf("\n") + 1;
      const lines = mine.responseText.slice(read, end).split("\n").filter(Boolean);
      read = end;
      for (const line of lines.map((text) => JSON.parse(text))) {
        if (line.type === "notice" && line.level === "error") problem = line.text;
        if (line.type === "session") duration = line.source.duration_s;
        if (line.type === "utterance") texts.set(line.id, line.text);
        if (line.type === "emotion" && line.final) show(line, texts.get(line.utterance));
        if (line.t && duration) $("progress").value = 0.2 + 0.8 * Math.min(1, line.t / duration);
        if (line.type === "end") {
          $("progress").value = 1;
          $("filestate").textContent = `${file.name}: ${line.utterances} utterances in ${line.t.toFixed(1)} s`;
        } else if (line.type === "emotion") $("filestate").textContent = `analysing ${file.name}`;
      }
    };
    mine.onload = () => {
      mine.onprogress();
      if (mine.status === 200) return;
      let why = `the server answered ${mine.status}`;
      try {
        why = JSON.parse(mine.responseText).error ?? why;
      } catch { /* an answer of something in between */ }
      failed(why);
    };
    mine.onerror = () => failed(problem || "the connection broke off");
    mine.send(file);
  }

  function failed(why) {
    $("progress").hidden = true;
    $("filestate").textContent = why;
  }

  function show(line, text = "") {
    const row = element("li");
    const tag = element("span", line.label ?? "–", "tag");
    if (LABELS.includes(line.label)) tag.style.borderColor = `var(--${line.label})`;
    const when = line.window.map((t) => t.toFixed(1)).join("–");
    row.append(tag, element("span", `${when} s`, "time"), element("span", text));
    $("found").append(row);
  }

  const drop = $("drop");
  for (const name of ["dragover", "dragenter", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover" || name === "dragenter");
      if (name === "drop" && event.dataTransfer.files[0]) analyse(event.dataTransfer.files[0]);
    });
  }
  $("file").onchange = ({ target }) => {
    const [file] = target.files;
    target.value = ""; // or the same file, chosen again, would be no change
    if (file) analyse(file);
  };
}
