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

// What there is: both, or the one of them that can be had.
async function open(mic, cam, pictures) {
  if (!navigator.mediaDevices) throw new Refusal("Browsers give camera and microphone to https and localhost pages alone: start mmer-serve with --tls.");
  const audio = { ...RAW, channelCount: 1, ...(mic && { deviceId: { exact: mic } }) };
  const video = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, ...(cam && { deviceId: { exact: cam } }) };
  let problem;
  for (const wanted of pictures ? [{ audio, video }, { audio }, { video }] : [{ audio }]) {
    try {
      return await navigator.mediaDevices.getUserMedia(wanted);
    } catch (error) {
      problem ??= error;
      if (error.name === "NotAllowedError") break;
    }
  }
  throw new Refusal(SAYS[problem.name] ?? `Camera and microphone cannot be used (${problem.name}: ${problem.message}).`);
}

export class Capture {
  // sink: {sound(samples, t), ready() for a picture, picture(jpeg, t)}
  constructor(video, sink) {
    this.video = video;
    this.sink = sink;
    this.canvas = document.createElement("canvas");
    this.skipped = 0;
  }

  async start(mic, cam, pictures) {
    this.media = await open(mic, cam, pictures);
    const [track] = this.media.getAudioTracks();
    this.hasVideo = this.media.getVideoTracks().length > 0;
    this.rate = null;
    if (track) {
      this.context = new AudioContext({ latencyHint: "interactive" });
      await this.context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
      this.rate = this.context.sampleRate;
    }
    if (this.hasVideo) {
      this.video.srcObject = this.media;
      await this.video.play();
    }
  }

  // Begin to hand over what is captured.
  flow() {
    if (this.context) this.listen();
    if (this.hasVideo) this.watch();
  }

  listen() {
    const source = this.context.createMediaStreamSource(this.media);
    const node = new AudioWorkletNode(this.context, "packets", { numberOfOutputs: 0 });
    const latency = this.media.getAudioTracks()[0].getSettings().latency ?? 0;
    let offset = Infinity; // of the page's clock over the context's: the quickest packet tells
    node.port.onmessage = ({ data }) => {
      const late = seconds() - data.end;
      // two crystals differ; and a context that was suspended has stood still
      offset = late > offset + 0.5 ? late : Math.min(offset + 1e-5, late);
      const began = data.end + offset - data.samples.length / this.rate;
      this.sink.sound(data.samples, began - latency);
    };
    source.connect(node);
    this.context.resume();
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
      if (this.media !== media) return; // stopped, or started again with a loop of its own
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
    this.media?.getTracks().forEach((track) => track.stop());
    this.media = null;
    this.context?.close();
    this.context = null;
    this.video.srcObject = null;
  }
}

export async function devices(kind) {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return all.filter((device) => device.kind === kind && device.deviceId);
}
