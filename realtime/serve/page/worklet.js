// Packets of sound for the page: int16, mono, about 21 ms each at 48 kHz.

class Packets extends AudioWorkletProcessor {
  constructor() {
    super();
    this.packet = new Int16Array(1024);
    this.filled = 0;
  }

  process(inputs) {
    const channels = inputs[0];
    if (!channels.length) return true;
    for (let i = 0; i < channels[0].length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      const value = Math.max(-1, Math.min(1, sum / channels.length));
      this.packet[this.filled++] = Math.round(value * 32767);
      if (this.filled === this.packet.length) {
        // when the last sample was, on the clock of the AudioContext
        const end = (currentFrame + i + 1) / sampleRate;
        this.port.postMessage({ samples: this.packet, end }, [this.packet.buffer]);
        this.packet = new Int16Array(1024);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("packets", Packets);
