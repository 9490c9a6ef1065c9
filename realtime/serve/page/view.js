// What is seen: bars, modalities, transcript, timeline, face box, figures.

export const LABELS = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"];
const MODALITIES = ["speech", "text", "face"];
const TIMELINE_S = 120;
const SHOWN = 100; // utterances

export const $ = (id) => document.getElementById(id);
const color = (label) => getComputedStyle(document.documentElement).getPropertyValue(`--${label}`);

export function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

// A row for each label in ``list``: by label its bar and its number.
export function bars(list) {
  const made = new Map();
  for (const label of LABELS) {
    const row = element("li");
    const track = element("span", "", "track");
    const bar = element("i");
    bar.style.background = `var(--${label})`;
    track.append(bar);
    const value = element("span", "–", "value");
    row.append(element("span", label), track, value);
    list.append(row);
    made.set(label, [bar, value]);
  }
  return made;
}

export class View {
  constructor() {
    this.bars = bars($("bars"));
    this.rows = new Map();
    for (const name of MODALITIES) {
      const row = element("tr");
      const head = element("th", name);
      head.scope = "row";
      const cells = [element("td", "–"), element("td")];
      row.append(head, ...cells);
      $("modalities").tBodies[0].append(row);
      this.rows.set(name, cells);
    }
    this.clear();
  }

  clear() {
    this.past = []; // [t, label]
    this.utterances = new Map();
    this.latencies = [];
    this.newest = -1;
    this.boxes = new Map(); // of several people: person to [box, when]
    this.people = new Map(); // person to label
    this.person = undefined; // whose bars are shown: who spoke last
    $("transcript").replaceChildren();
  }

  state(name, text = "") {
    $("state").dataset.state = name;
    const says = { idle: "not started", lost: "connection lost, trying again", resumed: "listening again" };
    $("state").textContent = says[name] ?? name;
    $("problem").hidden = !text;
    $("problem").textContent = text;
  }

  // One emotion line; ``screen()`` is the session's clock when it is on the screen.
  emotion(line, screen) {
    if (line.person !== undefined) {
      const spoken = line.final || line.provisional;
      if (!spoken) this.people.set(line.person, line.label);
      if (spoken || !this.people.has(this.person)) this.person = line.person;
      if (line.person !== this.person) return;
    }
    this.pending = line;
    if (!this.drawing) {
      this.drawing = requestAnimationFrame(() => {
        this.drawing = null;
        this.draw(this.pending);
        this.measure(this.pending, screen());
      });
    }
    if (line.final || line.provisional) {
      this.label(line.utterance, line.label ?? `– (${line.why.label})`, line.provisional === true);
    } else this.past.push([line.t, line.label]);
  }

  draw(line) {
    const label = $("label");
    label.classList.toggle("provisional", line.provisional === true);
    label.textContent = line.label ?? "–";
    label.style.borderColor = line.label ? `var(--${line.label})` : "";
    const beside = line.label ? ` ${Math.round(line.confidence * 100)} %` : ` ${line.why.label ?? ""}`;
    label.append(element("small", beside));
    for (const [name, [bar, value]] of this.bars) {
      const p = line.probs?.[name] ?? 0;
      bar.style.width = `${100 * p}%`;
      bar.classList.toggle("provisional", line.provisional === true);
      value.textContent = line.probs ? `${Math.round(100 * p)} %` : "–";
    }
    for (const [name, [what, share]] of this.rows) {
      const found = line.modalities[name];
      what.textContent = found ? found.label : line.why[name];
      share.textContent = found ? `${Math.round(100 * found.weight)} %, ${found.age_s.toFixed(1)} s old` : "";
    }
    this.timeline(line.t);
  }

  timeline(now) {
    const canvas = $("timeline");
    const width = (canvas.width = canvas.clientWidth * devicePixelRatio);
    const height = (canvas.height = 48 * devicePixelRatio);
    const context = canvas.getContext("2d");
    this.past = this.past.filter(([t]) => t > now - TIMELINE_S);
    const seen = new Map();
    this.past.forEach(([t, label], i) => {
      const until = Math.min(this.past[i + 1]?.[0] ?? now, t + 1);
      if (!label) return;
      const x = (1 - (now - t) / TIMELINE_S) * width;
      context.fillStyle = color(label);
      context.fillRect(x, 0, Math.max(1, ((until - t) / TIMELINE_S) * width + 1), height);
      seen.set(label, (seen.get(label) ?? 0) + until - t);
    });
    const most = [...seen].sort((a, b) => b[1] - a[1]).slice(0, 3);
    const says = most.map(([label, s]) => `${label} ${Math.round(s)} s`).join(", ");
    canvas.setAttribute("aria-label", `Labels of the last two minutes: ${says || "none"}`);
  }

  // Capture to screen: the age of the newest picture's evidence when it is drawn.
  measure(line, screen) {
    const face = line.modalities.face;
    if (!face || screen === null) return;
    const captured = line.t - face.age_s;
    if (captured <= this.newest + 0.001) return;
    this.newest = captured;
    this.latencies.push(screen - captured);
    if (this.latencies.length > 200) this.latencies.shift();
    const sorted = [...this.latencies].sort((a, b) => a - b);
    const ms = (q) => Math.round(1000 * sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]);
    $("latency").textContent = `p50 ${ms(0.5)} ms, p95 ${ms(0.95)} ms`;
  }

  said(id, text, partial) {
    let row = this.utterances.get(id);
    if (!row) {
      row = element("li");
      row.append(element("span", "…", "tag"), element("span"));
      this.utterances.set(id, row);
      $("transcript").append(row);
      if (this.utterances.size > SHOWN) {
        const [oldest, shown] = this.utterances.entries().next().value;
        shown.remove();
        this.utterances.delete(oldest);
      }
    }
    row.className = partial ? "partial" : "";
    const tag = row.firstChild;
    if (partial && tag.classList.contains("provisional")) {
      tag.className = "tag"; // it was withdrawn: speech goes on
      tag.textContent = "…";
    }
    row.lastChild.textContent = text || "(no words)";
    $("transcript").scrollTop = $("transcript").scrollHeight;
  }

  label(id, label, provisional) {
    if (!this.utterances.has(id)) this.said(id, "", true);
    const tag = this.utterances.get(id).firstChild;
    tag.classList.toggle("provisional", provisional);
    tag.textContent = label;
    tag.style.borderColor = LABELS.includes(label) ? `var(--${label})` : "";
  }

  typed(answer) {
    this.said(`typed ${Date.now()}`, answer.text, false);
    const tag = $("transcript").lastChild.firstChild;
    tag.textContent = answer.label ?? "no word";
    if (answer.label) tag.style.borderColor = `var(--${answer.label})`;
  }

  face(box, width, height, person) {
    const now = performance.now();
    if (box) this.boxes.set(person, [box, now]);
    else if (person) this.boxes.delete(person);
    else this.boxes.clear();
    const canvas = $("box");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    context.lineWidth = Math.max(2, width / 200);
    for (const [who, [place, when]] of this.boxes) {
      if (now - when > 700) continue;
      const label = this.people.get(who);
      context.strokeStyle = label ? color(label) : "#7fd4ff";
      context.strokeRect(...place);
      if (who === undefined) continue;
      context.save(); // the picture is mirrored, its letters must not be
      context.scale(-1, 1);
      context.font = `${Math.round(width / 36)}px system-ui`;
      context.fillStyle = context.strokeStyle;
      context.strokeStyle = "#141414"; // an outline, legible on any picture
      const written = [`${who} ${label ?? ""}`, -place[0] - place[2], place[1] - 8];
      context.strokeText(...written);
      context.fillText(...written);
      context.restore();
    }
  }
}
