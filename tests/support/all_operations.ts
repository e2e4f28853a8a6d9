/**
 * Registers the checks of all operations: importing it fills `registered`.
 *
 * @module
 */

import "../nn/optimizer_test.ts";
import "../ops/attention_test.ts";
import "../ops/concat_test.ts";
import "../ops/conv2d_test.ts";
import "../ops/depthwise_conv2d_test.ts";
import "../ops/dropout_test.ts";
import "../ops/gather_test.ts";
import "../ops/group_norm_test.ts";
import "../ops/layer_norm_test.ts";
import "../ops/linear_test.ts";
import "../ops/matmul_test.ts";
import "../ops/modulate_test.ts";
import "../ops/mse_test.ts";
import "../ops/patchify_test.ts";
import "../ops/permute_test.ts";
import "../ops/pointwise_test.ts";
import "../ops/pool2d_test.ts";
import "../ops/reduce_test.ts";
import "../ops/resize2d_test.ts";
import "../ops/rope_test.ts";
import "../ops/softmax_test.ts";
import "../ops/winograd_test.ts";
import "../tensor/random_test.ts";
