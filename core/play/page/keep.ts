/**
 * What leaves the page as files: pictures, actions, video. Nothing is sent.
 *
 * @module
 */

/** Offers bytes as a file to save. */
export function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Side of a frame in pictures and video, in pixels. */
const SIDE = 256;

/** Dream and truth side by side, enlarged. */
export class Board {
  /** The picture. */
  readonly canvas: HTMLCanvasElement = document.createElement("canvas");

  /** Makes an empty one. */
  constructor() {
    this.canvas.width = 2 * SIDE;
    this.canvas.height = SIDE;
  }

  /** Draws both frames. */
  draw(dream: HTMLCanvasElement, truth: HTMLCanvasElement): void {
    const context = this.canvas.getContext("2d");
    if (context === null) return;
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, 2 * SIDE, SIDE);
    context.drawImage(dream, 0, 0, SIDE, SIDE);
    context.drawImage(truth, SIDE, 0, SIDE, SIDE);
  }

  /** Saves it as PNG. */
  savePng(name: string): void {
    this.canvas.toBlob((blob) => blob && save(blob, name), "image/png");
  }
}

/** Formats of video, the best first. */
const FORMATS = ["video/webm;codecs=vp9", "video/webm", "video/mp4"];

/** Records a board as video. */
export class Film {
  #recorder: MediaRecorder | undefined;

  /** Format that this browser records; undefined if it records none. */
  static get format(): string | undefined {
    if (typeof MediaRecorder === "undefined") return undefined;
    return FORMATS.find((type) => MediaRecorder.isTypeSupported(type));
  }

  /** Whether it records now. */
  get isRecording(): boolean {
    return this.#recorder !== undefined;
  }

  /**
   * Begins to record.
   *
   * @param board that is recorded as it changes
   * @param name of the file, without its ending
   */
  begin({ canvas }: Board, name: string): void {
    const mimeType = Film.format;
    if (mimeType === undefined) {
      throw new Error("Cannot record: this browser has no MediaRecorder");
    }
    const stream = canvas.captureStream();
    const recorder = new MediaRecorder(stream, { mimeType });
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
      for (const track of stream.getTracks()) track.stop();
      const ending = mimeType.includes("mp4") ? "mp4" : "webm";
      save(new Blob(parts, { type: mimeType }), `${name}.${ending}`);
    };
    recorder.start();
    this.#recorder = recorder;
  }

  /** Ends it and offers the file. */
  end(): void {
    this.#recorder?.stop();
    this.#recorder = undefined;
  }
}
