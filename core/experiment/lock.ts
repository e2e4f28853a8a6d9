import type { InterruptState } from "./interrupt.ts";

/** Milliseconds between two signs of life. */
const BEAT = 1000;

/** Milliseconds without one after which a holder counts as dead. */
const SILENCE = 5 * BEAT;

/** As `SILENCE`, where only the clocks of two machines can be compared. */
const LONG_SILENCE = 60_000;

/** Milliseconds between two tries. */
const POLL = 100;

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Whether the system grants a lock; where it has none, signs of life decide. */
function granted(file: Deno.FsFile, isExclusive: boolean): Promise<boolean> {
  return file.tryLock(isExclusive).catch(() => true);
}

/** What a waiting process saw of the holder. */
interface Watch {
  /** Name of the holder that the system's lock kept this process from. */
  excludedBy?: string;
  /** Its last sign of life, and when that was first seen. */
  beat?: number;
  since?: number;
}

/**
 * A lock between processes, on one machine or on several that share a folder.
 *
 * Who creates its file holds it, with a name of its own in the file and a fresh
 * time on it every second, and removes it at the end. The system's advisory
 * lock on the file shows at once that a holder was killed. Where that is
 * missing, or ends at the machine (NFS without lockd, Lustre's localflock), a
 * holder counts as dead after 5 seconds without a sign of life.
 */
export class Lock implements Disposable {
  readonly #path: string;
  readonly #id: string;
  readonly #file: Deno.FsFile;
  readonly #timer: ReturnType<typeof setInterval>;

  private constructor(path: string, id: string, file: Deno.FsFile) {
    this.#path = path;
    this.#id = id;
    this.#file = file;
    this.#timer = setInterval(() => {
      try {
        if (this.isHeld) file.utimeSync(new Date(), new Date());
      } catch {
        // A disk that is gone stops the work, which can say so; not a timer.
      }
    }, BEAT);
    Deno.unrefTimer(this.#timer);
  }

  /**
   * Waits for the lock.
   *
   * @param path of its file, in a folder that exists
   * @param options asked while waiting; told once if it must wait, and whether
   *   the holder is known to live, not just to have done so a moment ago
   * @throws {Interrupted} if it was asked to stop meanwhile
   */
  static async take(
    path: string,
    options: { interrupt?: InterruptState; busy?: (isAlive: boolean) => void } =
      {},
  ): Promise<Lock> {
    const watch: Watch = {};
    for (let tries = 0;; tries++) {
      const lock = await Lock.try(path, watch);
      if (lock !== undefined) return lock;
      if (tries === 0) options.busy?.(watch.excludedBy !== undefined);
      options.interrupt?.check();
      await pause(POLL);
    }
  }

  /**
   * Takes the lock if it is free now.
   *
   * @param path of its file, in a folder that exists
   * @param watch what earlier tries saw
   * @returns undefined if it is held, or was until a moment ago
   */
  static async try(path: string, watch: Watch = {}): Promise<Lock | undefined> {
    const id = crypto.randomUUID();
    const name = new TextEncoder().encode(id);
    try {
      const file = await Deno.open(path, { createNew: true, write: true });
      await file.write(name);
      // Others look only for a moment.
      while (!await granted(file, true)) await pause(1);
      return new Lock(path, id, file);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    const file = await Deno.open(path, { read: true, write: true })
      .catch((error) => {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      });
    if (file === undefined) return undefined;
    if (
      await isDead(path, file, watch) && await granted(file, true) &&
      await isAt(path, file)
    ) {
      await file.write(name);
      // Where locks end at the machine, another may do the same now.
      await pause(2 * POLL);
      const lock = new Lock(path, id, file);
      if (lock.isHeld) return lock;
      clearInterval(lock.#timer);
    }
    file.close();
    return undefined;
  }

  /**
   * Whether some process holds the lock of a path.
   *
   * @param path of its file, which need not exist
   */
  static async isTaken(path: string): Promise<boolean> {
    try {
      using file = await Deno.open(path);
      if (!await granted(file, false)) return true;
      const { mtime } = await file.stat();
      return Date.now() - Number(mtime) < SILENCE;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /**
   * Whether it is still this process's: another one takes it after 5 seconds of
   * silence where the system's locks do not exclude.
   */
  get isHeld(): boolean {
    try {
      return Deno.readTextFileSync(this.#path) === this.#id;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** Lets others have it. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    // Removed while held, so that nobody takes a file that has no name.
    if (this.isHeld) Deno.removeSync(this.#path);
    this.#file.close();
  }
}

/** Whether a file is still the one of its path. */
async function isAt(path: string, file: Deno.FsFile): Promise<boolean> {
  const { ino } = await file.stat();
  return await Deno.stat(path).then((now) => now.ino === ino, () => false);
}

/** Whether the holder of a lock died without removing its file. */
async function isDead(
  path: string,
  file: Deno.FsFile,
  watch: Watch,
): Promise<boolean> {
  // A shared lock: those who look do not take each other for the holder.
  const isFree = await granted(file, false);
  const holder = await Deno.readTextFile(path).catch(() => "");
  if (!isFree) {
    watch.excludedBy = holder;
    return false;
  }
  if (holder !== "" && holder === watch.excludedBy) return true;
  const beat = Number((await file.stat()).mtime);
  if (Date.now() - beat > LONG_SILENCE) return true;
  if (beat !== watch.beat) {
    watch.beat = beat;
    watch.since = performance.now();
  }
  return performance.now() - (watch.since ?? 0) > SILENCE;
}
