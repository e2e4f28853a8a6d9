/**
 * The thread that hears signals while the others compute.
 *
 * @module
 */

/**
 * Milliseconds in which a second signal is taken for the first: Ctrl-C reaches
 * a process from the terminal, and once more from the task that started it.
 */
const ONE_PRESS = 300;

const EXIT = { SIGINT: 130, SIGTERM: 143 } as const;

const scope = self as unknown as Worker;

scope.onmessage = ({ data }: MessageEvent<SharedArrayBuffer>) => {
  const status = new Int32Array(data);
  const listeners = (["SIGINT", "SIGTERM"] as const).map((signal) => {
    const hear = () => {
      if (Atomics.compareExchange(status, 0, 0, EXIT[signal]) !== 0) return;
      console.error("\nStopping after this batch; again to stop at once.");
      // What no one listens to ends the process, whatever it is doing.
      setTimeout(() => {
        for (const [name, listener] of listeners) {
          Deno.removeSignalListener(name, listener);
        }
      }, ONE_PRESS);
    };
    Deno.addSignalListener(signal, hear);
    return [signal, hear] as const;
  });
  scope.postMessage("ready");
};
