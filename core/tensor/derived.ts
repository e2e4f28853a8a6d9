import { noGrad } from "./autograd.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Makes another layout of a tensor's content once per version of it, such as
 * weights packed for a kernel. It is freed with the tensor's memory.
 *
 * @param x the tensor
 * @param name of the layout, among those of the tensor
 * @param make computes it, without gradient; may return `x` itself
 * @returns what `make` returned for the present content
 */
export function derive(x: Tensor, name: string, make: () => Tensor): Tensor {
  const { storage, gpu } = x;
  const key = `${name}@${x.offset}:${x.shape}`;
  const known = storage.derived.get(key);
  if (known?.version === storage.version) return known.value as Tensor;
  using scope = gpu.scope();
  const value = noGrad(make);
  if (value.storage === storage) return value;
  scope.detach(value.storage);
  known?.value.storage.free();
  storage.derived.set(key, { version: storage.version, value });
  return value;
}
