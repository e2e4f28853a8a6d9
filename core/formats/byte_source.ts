/** What a file may be given as: a path, a file URL, or its bytes. */
export type FileSource = string | URL | Uint8Array<ArrayBuffer>;

/** Bytes of a file or of memory, read by range. */
export interface ByteSource {
  /** The path, or `bytes`. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /** Reads exactly the range into memory of its own. */
  read(start: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Closes the file. */
  [Symbol.dispose](): void;
}

/** Ends reading with one error that names the file and the reason. */
export type Fail = (reason: string) => never;

/** Longest reason in an error: a damaged file may hold names of megabytes. */
const MAX_REASON = 400;

/**
 * Makes the function that reports a damaged file, in one short line.
 *
 * @param kind what the file should have been, such as `npy file`
 * @param name the file
 * @returns a function that throws a `SyntaxError`
 */
export function failWith(kind: string, name: string): Fail {
  return (reason) => {
    const line = reason.slice(0, MAX_REASON).replace(/\p{Cc}/gu, "?");
    throw new SyntaxError(`Cannot read ${kind} "${name}": ${line}`);
  };
}

/**
 * Opens a file for reading.
 *
 * @param path the file
 * @throws {Error} if there is no such file, or it is a folder; named in quotes
 */
export async function openToRead(path: string): Promise<Deno.FsFile> {
  let isDirectory: boolean;
  try {
    // Of the path: Deno asks an open file for access to where a link leads.
    ({ isDirectory } = await Deno.stat(path));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`Cannot read "${path}": there is no such file`);
  }
  if (!isDirectory) return await Deno.open(path, { read: true });
  throw new Error(`Cannot read "${path}": it is a folder, needed a file`);
}

/**
 * Opens a file or memory for reading by range. Reads may overlap in time.
 *
 * @param source path, file URL, or bytes
 * @returns the open source
 * @throws {TypeError} if the path names no regular file
 */
export async function openBytes(source: FileSource): Promise<ByteSource> {
  const name = source instanceof Uint8Array ? "bytes" : String(source);
  const fail = failWith("file", name);
  const check = (start: number, length: number, size: number) => {
    if (!(start >= 0 && length >= 0 && start + length <= size)) {
      fail(`range ${start} to ${start + length} passes its end at ${size}`);
    }
  };
  if (source instanceof Uint8Array) {
    const size = source.length;
    return {
      name,
      size,
      // deno-lint-ignore require-await -- a failed check must reject
      async read(start, length) {
        check(start, length, size);
        return source.slice(start, start + length);
      },
      [Symbol.dispose]() {},
    };
  }
  // Before opening, since opening a pipe waits for its writer.
  const { isFile, size } = await Deno.stat(source);
  if (!isFile) throw new TypeError(`Cannot read "${name}": it is no file`);
  const file = await Deno.open(source, { read: true });
  const readAt = async (start: number, length: number) => {
    check(start, length, size);
    await file.seek(start, Deno.SeekMode.Start);
    const into = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const count = await file.read(into.subarray(done));
      if (count === null) return fail("it ended while it was read");
      done += count;
    }
    return into;
  };
  // The file has one position, so reads wait for each other.
  let last: Promise<unknown> = Promise.resolve();
  return {
    name,
    size,
    read(start, length) {
      const next = last.then(() => readAt(start, length));
      last = next.catch(() => {});
      return next;
    },
    [Symbol.dispose]: () => file.close(),
  };
}
