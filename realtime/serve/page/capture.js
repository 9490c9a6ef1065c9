// Camera and microphone: packets of sound and pictures, each with when it was captured.

import { seconds } from "./stream.js";

const WIDEST = 640;
const PICTURES_PER_S = 15;
const RAW = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

export class Refusal extends Error {}

const SAYS = {
  NotAllowedError: "The browser may not use the camera and the microphone. Allow them by the symbol beside the address, then start again.",
  NotFoundError: "There is no microphone and no camera. Plug one in, then start again; texts and files work without.",
  NotReadableError: "The camera or the microphone is used by another program. Close it, then start again.",
  OverconstrainedError: "The chosen device is not there any more. Choose another one.",
};
const WHY = {
  NotAllowedError: "the browser may not use it. Allow it by the symbol beside the address, then start again.",
  NotFoundError: "there is none.",
  NotReadableError: "another program uses it. Close that, then start again.",
  OverconstrainedError: "the chosen one is not there any more. Choose another one.",
};
const without = (kind, error) => `No ${kind}: ${WHY[error.name] ?? `${error.message} (${error.name}).`}`;
const release = (media) => media?.getTracks().forEach((track) => track.stop());

async function blocked(name) {
  try {
    return (await navigator.permissions.query({ name })).state === "denied";
  } catch {
    return false; // the browser does not tell
  }
}

// What there is, both or the one of them that can be had: [media, what is missing and why].
async function open(mic, cam, pictures) {
  if (!navigator.mediaDevices) throw new Refusal("Browsers give camera and microphone to https and localhost pages alone: start mmer-serve with --tls.");
  const audio = { ...RAW, channelCount: 1, ...(mic && { deviceId: { exact: mic } }) };
  const video = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, ...(cam && { deviceId: { exact: cam } }) };
  const problems = [];
  for (const wanted of pictures ? [{ audio, video }, { audio }, { video }] : [{ audio }]) {
    try {
      const media = await navigator.mediaDevices.getUserMedia(wanted);
      if (!problems.length) return [media, ""];
      return [media, without(wanted.audio ? "camera" : "microphone", problems.at(-1))];
    } catch (error) {
      problems.push(error);
      // who has said no is not asked again, but one of the two may be blocked for good
      if (error.name === "NotAllowedError" && !(await blocked("camera")) && !(await blocked("microphone"))) break;
    }
  }
  const [both, ofMic, ofCam] = problems;
  if (!pictures) throw new Refusal(without("microphone", both));
  if (!ofCam) throw new Refusal(SAYS[both.name]);
  if (ofMic.name !== ofCam.name) {
    throw new Refusal(`${without("microphone", ofMic)} ${without("camera", ofCam)}`);
  }
  throw new Refusal(SAYS[both.name] ?? `Camera and microphone cannot be used (${both.name}: ${both.message}).`);
}

export class Capture {
  // sink: {sound(samples, t), ready() for a picture, picture(jpeg, t), gone("microphone" | "camera")}
  constructor(video, sink) {
    this.video = video;
    this.sink = sink;
    this.canvas = document.createElement("canvas");
    this.skipped = 0;
    this.media = this.context = null;
    this.rate = null; // of the sound; null where there is none
    this.hasVideo = false;
  }

  // What is missing and why, "" for nothing; null where it was stopped or started anew meanwhile.
  async start(mic, cam, pictures) {
    this.stop();
    const turn = (this.turn = {});
    try {
      const [media, missing] = await open(mic, cam, pictures);
      if (this.turn === turn) await this.use(media);
      else release(media);
      return this.turn === turn ? missing : null;
    } catch (error) {
      if (this.turn !== turn) return null;
      throw error;
    }
  }

  async use(media) {
    this.media = media;
    for (const track of media.getTracks()) track.onended = () => this.lose(media, track);
    this.hasVideo = media.getVideoTracks().length > 0;
    if (this.hasVideo) this.video.srcObject = media;
    if (media.getAudioTracks().length) {
      const context = (this.context = new AudioContext({ latencyHint: "interactive" }));
      this.rate = context.sampleRate;
      await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    }
    if (this.hasVideo && this.media === media) await this.video.play();
  }

  // A device went away: unplugged, or not allowed any more.
  lose(media, track) {
    if (this.media !== media) return;
    if (track.kind === "audio") this.mute();
    else this.cover();
    this.sink.gone(track.kind === "audio" ? "microphone" : "camera");
  }

  mute() {
    this.context?.close();
    this.context = this.rate = null;
  }

  cover() {
    this.hasVideo = false;
    this.video.srcObject = null;
  }

  // Begin to hand over what is captured.
  flow() {
    if (this.context) this.listen();
    if (this.hasVideo) this.watch();
  }

  listen() {
    const { context, rate } = this;
    const source = context.createMediaStreamSource(this.media);
    const node = new AudioWorkletNode(context, "packets", { numberOfOutputs: 0 });
    const latency = this.media.getAudioTracks()[0].getSettings().latency ?? 0;
    let offset = Infinity; // of the page's clock over the context's: the quickest packet tells
    node.port.onmessage = ({ data }) => {
      if (this.context !== context) return; // stopped
      const late = seconds() - data.end;
      // two crystals differ; and a context that was suspended has stood still
      offset = late > offset + 0.5 ? late : Math.min(offset + 1e-5, late);
      const began = data.end + offset - data.samples.length / rate;
      this.sink.sound(data.samples, began - latency);
    };
    source.connect(node);
    context.resume();
  }

  watch() {
    const next = (step) =>
      this.video.requestVideoFrameCallback
        ? this.video.requestVideoFrameCallback(step)
        : requestAnimationFrame((now) => step(now, {}));
    const { media } = this;
    let sentAt = 0;
    let busy = false;
    const step = async (now, frame) => {
      // stopped, or started again with a loop of its own
      if (this.media !== media || !this.hasVideo) return;
      next(step);
      const t = (frame.captureTime ?? now) / 1000;
      if (seconds() - sentAt < 0.9 / PICTURES_PER_S) return;
      if (busy || !this.sink.ready()) {
        this.skipped++;
        return;
      }
      busy = true;
      sentAt = seconds();
      try {
        const jpeg = await this.encoded();
        if (jpeg) this.sink.picture(jpeg, t, this.canvas.width, this.canvas.height);
      } finally {
        busy = false;
      }
    };
    next(step);
  }

  async encoded() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width) return null;
    const scale = Math.min(1, WIDEST / Math.max(width, height));
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.getContext("2d").drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    const blob = await new Promise((done) => this.canvas.toBlob(done, "image/jpeg", 0.85));
    return blob?.arrayBuffer();
  }

  stop() {
    this.turn = null;
    release(this.media);
    this.media = null;
    this.mute();
    this.cover();
  }
}

export async function devices(kind) {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return all.filter((device) => device.kind === kind && device.deviceId);
}
