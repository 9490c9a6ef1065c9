// The stream: WebSocket, clock offset, resuming. realtime/serve/README.md describes the protocol.

const PINGS = 8;
const RETRY_S = [0.1, 0.25, 0.5, 1];
const OVER = [1000, 1001, 1008, 1011, 1013, 4001, 4008, 4009, 4011];
const SILENT_S = 5; // without a message after a ping: the connection is lost
const RECONNECT_S = 10; // for one attempt
const FINISH_S = 8; // for the last lines after stop
const UNSENT = { video: 250_000, audio: 1_000_000 }; // bytes that wait from which on a kind is left out

export const seconds = () => performance.now() / 1000;

export class Stream {
  // on: {state(name, text), line(message, text), face(message), ack(message), text(message)}
  constructor(address, token, on) {
    this.address = address;
    this.token = token;
    this.on = on;
    this.socket = null;
    this.resume = null;
    this.place = ""; // of the process that has the session, where there are several
    this.received = 0;
    this.t = 0; // of the last line
    this.unacked = 0;
    this.pongs = [];
    this.pingedAt = this.lostAt = null;
    this.overdue = false;
    this.wanted = false;
    this.error = "";
  }

  // ``announced()``: audio, video and watch of the start message, as they are when it is sent.
  start(announced) {
    this.announced = announced;
    this.wanted = true;
    this.lostAt = null;
    this.begin();
  }

  begin() {
    this.resume = null;
    this.received = this.t = 0;
    this.connect(0);
  }

  connect(attempt) {
    const again = attempt > 0 || this.resume !== null;
    this.on.state(again ? "lost" : "connecting");
    const place = this.place ? `?place=${encodeURIComponent(this.place)}` : "";
    const socket = new WebSocket(this.address + place);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.error = "";
    let started = false;
    if (again) this.retrying = setTimeout(() => this.lose(attempt + 1), RECONNECT_S * 1000);
    socket.onopen = () => {
      const start = { type: "start", token: this.token, ...this.announced() };
      const { resume, received, t } = this;
      if (resume) Object.assign(start, { resume, received, t });
      socket.send(JSON.stringify(start));
    };
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      this.pingedAt = null;
      this.overdue = false;
      if (message.type === "started") {
        started = true;
        this.resume = message.resume;
        if (!this.wanted) return; // stopped meanwhile: it is being finished
        this.place = message.place ?? "";
        this.lostAt = null;
        this.unacked = 0;
        this.pongs = [];
        this.clearTimers();
        this.pinging = setInterval(() => this.check(), 1000);
        this.ping();
        this.on.state(message.resumed ? "resumed" : "listening");
      } else this.take(message, event.data);
    };
    socket.onclose = (event) => {
      if (socket !== this.socket) return;
      this.clearTimers();
      this.socket = null;
      this.closed(event, started ? 0 : attempt + 1);
    };
  }

  clearTimers() {
    clearInterval(this.pinging);
    clearTimeout(this.retrying);
    clearTimeout(this.finishing);
  }

  take(message, text) {
    if ("v" in message) {
      this.received++;
      this.t = Math.max(this.t, message.t ?? 0);
      this.on.line(message, text);
    } else if (message.type === "ack") {
      this.unacked = Math.max(0, this.unacked - 1);
      this.on.ack(message);
    } else if (message.type === "pong") {
      const now = seconds();
      this.pongs.push([now - message.t, message.session_t - (now + message.t) / 2]);
      if (this.pongs.length > PINGS) this.pongs.shift();
      if (this.pongs.length < PINGS) this.ping();
    } else if (message.type === "error") this.error = message.text;
    else if (message.type === "face") this.on.face(message);
    else if (message.type === "text") this.on.text(message);
  }

  closed(event, attempt) {
    const said = this.error || event.reason;
    if (!this.wanted) return this.on.state("idle");
    this.lostAt ??= seconds();
    if (this.resume && event.code === 1008 && said.includes("no such session")) {
      return this.begin(); // the server has been started anew
    }
    // of several processes one may have died: whoever is before it closes in its own way
    const died = this.place && !this.error && [1000, 1011].includes(event.code);
    if (event.code === 1012) this.place = "";
    // it ends, and may be started again
    if (event.code === 1001 || said.startsWith("the server ends")) this.resume = null;
    else if (OVER.includes(event.code) && !died) {
      this.wanted = false;
      return this.on.state(event.code === 1000 ? "idle" : "failed", said);
    }
    if (seconds() - this.lostAt > 60) {
      this.wanted = false;
      return this.on.state("failed", "the server does not answer: is it running?");
    }
    this.on.state("lost");
    const wait = RETRY_S[Math.min(attempt, RETRY_S.length - 1)];
    if (!this.resume) this.received = 0;
    this.retrying = setTimeout(() => this.connect(attempt + 1), wait * 1000);
  }

  get open() {
    return this.wanted && this.socket?.readyState === WebSocket.OPEN && this.resume !== null;
  }

  // A time of this page's clock, in seconds, on the session's clock.
  at(t) {
    if (!this.pongs.length) return null;
    return t + this.pongs.reduce((best, pong) => (pong[0] < best[0] ? pong : best))[1];
  }

  ping() {
    const t = seconds();
    if (this.say({ type: "ping", t })) this.pingedAt ??= t; // the oldest that nothing came after
  }

  // Called each second; late in a tab in the background, and after the computer slept. What came
  // meanwhile may still wait its turn, so silence counts once a second call finds it, too.
  check() {
    const overdue = this.pingedAt !== null && seconds() - this.pingedAt > SILENT_S;
    if (overdue && this.overdue) return this.lose(0);
    this.overdue = overdue;
    this.ping();
  }

  // Take the connection for lost: on a dead one neither a close frame nor an error comes.
  lose(attempt) {
    this.drop(); // without a code: the session waits for this page
    this.closed({ code: 1006, reason: "" }, attempt);
  }

  drop(code) {
    const { socket } = this;
    this.clearTimers();
    this.socket = this.pingedAt = null;
    this.overdue = false;
    socket?.close(code);
  }

  say(message) {
    if (!this.open) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  send(kind, payload, t, seq) {
    const stamp = this.at(t);
    if (!this.open || stamp === null || this.socket.bufferedAmount > UNSENT[kind]) return false;
    const header = new TextEncoder().encode(JSON.stringify({ kind, t: stamp, seq }));
    const packet = new Uint8Array(4 + header.length + payload.byteLength);
    new DataView(packet.buffer).setUint32(0, header.length, true);
    packet.set(header, 4);
    packet.set(new Uint8Array(payload), 4 + header.length);
    this.socket.send(packet);
    if (kind === "video") this.unacked++;
    return true;
  }

  // Leave at once, without a word about it.
  leave() {
    this.wanted = false;
    this.drop(1000);
  }

  // The last lines follow, then "idle"; at once if there is no connection, and the second time.
  stop() {
    if (this.say({ type: "stop" })) {
      this.wanted = false;
      this.clearTimers();
      this.on.state("finishing");
      this.finishing = setTimeout(() => this.stop(), FINISH_S * 1000);
    } else {
      this.leave();
      this.on.state("idle");
    }
  }
}
