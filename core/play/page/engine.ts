import { Gpu } from "../../gpu/gpu.ts";
import { digestBits } from "../log.ts";
import type { SessionParts } from "../session.ts";
import {
  openPlayed,
  openPlayedVae,
  type PlayedAutoencoder,
  type PlayedModel,
} from "../weights.ts";

/** A device with what is dreamt by. */
export interface Engine extends SessionParts, Disposable {
  /** Device. */
  readonly gpu: Gpu;
  /** Digest of the weights, as links hold it. */
  readonly digest: string;
  /** Name of the weights, for readers. */
  readonly title: string;
}

/** Why a page cannot dream, and what helps. */
export class NoDevice extends Error {}

async function fetchBytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(name);
  if (!response.ok) {
    throw new Error(
      `Cannot read ${name}: the server answers ${response.status}`,
    );
  }
  return new Uint8Array(await response.arrayBuffer());
}

/** Opens the device, or says why there is none. */
async function openGpu(): Promise<Gpu> {
  if (!isSecureContext) {
    throw new NoDevice(
      "This address is no secure one, and browsers offer WebGPU on https and on 127.0.0.1 only",
    );
  }
  if (navigator.gpu === undefined) {
    const isFirefox = /firefox/i.test(navigator.userAgent);
    throw new NoDevice(
      `This browser has no WebGPU; ${
        isFirefox
          ? "set dom.webgpu.enabled in about:config, or take a recent Chrome or Edge"
          : "take a recent Chrome, Edge or Safari"
      }`,
    );
  }
  try {
    return await Gpu.open();
  } catch (error) {
    throw new NoDevice(
      `WebGPU is here, but no adapter answers (${
        (error as Error).message.split(";")[0]
      }); switch on hardware acceleration, or update the graphics driver`,
    );
  }
}

/**
 * Opens the device and the weights beside the page, or others.
 *
 * @param weights of the model; absent for those beside the page
 * @throws {NoDevice} if there is no device
 * @throws {TypeError} if the weights are of another kind of model
 */
export async function openEngine(
  weights?: { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> },
): Promise<Engine> {
  const gpu = await openGpu();
  let autoencoder: PlayedAutoencoder | undefined;
  let played: PlayedModel;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    autoencoder = await openPlayedVae(gpu, await fetchBytes("vae.safetensors"));
    bytes = weights?.bytes ?? await fetchBytes("model.safetensors");
    played = await openPlayed(gpu, bytes);
  } catch (error) {
    gpu[Symbol.dispose]();
    throw error;
  }
  const { vae } = autoencoder;
  return {
    ...{ gpu, played, vae },
    digest: digestBits(bytes),
    title: weights?.name ?? played.metadata.title ?? "the server's weights",
    [Symbol.dispose]: () => {
      // What it holds goes with the device.
      gpu[Symbol.dispose]();
    },
  };
}
