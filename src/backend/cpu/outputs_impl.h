// SPDX-License-Identifier: Apache-2.0
// How a sum becomes an output, for every kind of weights; included as kernels_impl.h is.

// Ends the sums of outputs [n, n + 16) of a row; those beyond the last are dropped.
template <class Args>
inline void store_outputs(const Args& args, int64_t row, int64_t n, Vec sum) {
  const int64_t count = args.out - n < kLanes ? args.out - n : kLanes;
  if (count <= 0) return;
  float* y = args.y + row * args.y_stride + n;
  if (args.bias != nullptr) sum = add(sum, load(args.bias + n));
  sum = mul(sum, splat(args.scale));
  if (args.add) sum = add(load_some(y, count), sum);
  store_some(y, sum, count);
}
