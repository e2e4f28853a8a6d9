import type { Dispatch } from "./recorder.ts";

/** Dispatches that one batch can time. */
const CAPACITY = 2048;

/** Time of all dispatches of one kernel entry. */
export interface ProfileRow {
  /** Shader and entry. */
  readonly label: string;
  /** Number of dispatches. */
  readonly count: number;
  /** Their time in milliseconds. */
  readonly ms: number;
  /** Billions of floating-point operations per second; 0 if unknown. */
  readonly gflops: number;
  /** Billions of bytes read and written per second, by the bindings' sizes. */
  readonly gbps: number;
}

/**
 * Times every dispatch with timestamp queries.
 *
 * Each dispatch gets a pass of its own, so a profiled run is slower than a
 * plain one; its shares are what matters.
 */
export class Profiler {
  readonly #device: GPUDevice;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #totals: Map<
    string,
    { count: number; ns: number; flops: number; bytes: number }
  > = new Map();
  #work: Dispatch[] = [];
  #pending: Promise<void>[] = [];
  #readback: GPUBuffer | undefined;

  /**
   * Creates a profile without rows.
   *
   * @param device a device with the feature timestamp-query
   */
  constructor(device: GPUDevice) {
    this.#device = device;
    this.#queries = device.createQuerySet({
      type: "timestamp",
      count: 2 * CAPACITY,
    });
    this.#resolved = device.createBuffer({
      label: "profile",
      size: 16 * CAPACITY,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
  }

  /** Whether the batch must be submitted before the next dispatch. */
  get full(): boolean {
    return this.#work.length >= CAPACITY;
  }

  /** Reserves the two timestamps of a dispatch. */
  next(work: Dispatch): GPUComputePassTimestampWrites {
    const index = 2 * this.#work.length;
    this.#work.push(work);
    return {
      querySet: this.#queries,
      beginningOfPassWriteIndex: index,
      endOfPassWriteIndex: index + 1,
    };
  }

  /** Records the read-back of the batch's timestamps. */
  resolve(encoder: GPUCommandEncoder): void {
    if (this.#work.length === 0) return;
    const count = 2 * this.#work.length;
    encoder.resolveQuerySet(this.#queries, 0, count, this.#resolved, 0);
    this.#readback = this.#device.createBuffer({
      size: 8 * count,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#readback, 0, 8 * count);
  }

  /** Starts reading the timestamps of the batch that was just submitted. */
  submitted(): void {
    const buffer = this.#readback;
    if (buffer === undefined) return;
    const work = this.#work;
    this.#work = [];
    this.#readback = undefined;
    this.#pending.push(
      buffer.mapAsync(GPUMapMode.READ).then(() => {
        const times = new BigUint64Array(buffer.getMappedRange());
        work.forEach(({ label, flops, bytes }, i) => {
          const total = this.#totals.get(label) ??
            { count: 0, ns: 0, flops: 0, bytes: 0 };
          total.count++;
          total.ns += Number(times[2 * i + 1]! - times[2 * i]!);
          total.flops += flops;
          total.bytes += bytes;
          this.#totals.set(label, total);
        });
        buffer.destroy();
      }),
    );
  }

  /**
   * Waits for all timestamps and sums them per kernel entry.
   *
   * @returns rows, the most expensive first
   */
  async rows(): Promise<ProfileRow[]> {
    await Promise.all(this.#pending);
    this.#pending = [];
    return [...this.#totals]
      .map(([label, { count, ns, flops, bytes }]) => ({
        label,
        count,
        ms: ns / 1e6,
        gflops: flops / ns,
        gbps: bytes / ns,
      }))
      .sort((a, b) => b.ms - a.ms);
  }

  /** Formats {@linkcode Profiler.rows} as a table of text. */
  async table(): Promise<string> {
    const rows = await this.rows();
    const total = rows.reduce((sum, row) => sum + row.ms, 0);
    const width = Math.max(6, ...rows.map((row) => row.label.length));
    const head = `${
      "kernel".padEnd(width)
    }  count        ms     %  GFLOP/s   GB/s`;
    const lines = rows.map(({ label, count, ms, gflops, gbps }) =>
      [
        label.padEnd(width),
        String(count).padStart(6),
        ms.toFixed(2).padStart(9),
        (100 * ms / total).toFixed(1).padStart(5),
        (gflops > 0 ? gflops.toFixed(1) : "").padStart(8),
        gbps.toFixed(1).padStart(6),
      ].join(" ")
    );
    return [head, ...lines].join("\n");
  }
}
