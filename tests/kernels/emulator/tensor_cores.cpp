// SPDX-License-Identifier: Apache-2.0
// What a warp does with 8x8 matrices: ldmatrix, movmatrix, mma.sync.
#include <cstring>

#include "halves.h"
#include "ptx.h"

namespace ember::kernels {

namespace {

struct MatrixLoad {
  uint32_t address;
  uint32_t* to;
};

void ldmatrix(uint32_t address, uint32_t* to, bool transposed) {
  if (address % 16 != 0) emu::fail("ldmatrix alignment");
  if (emu::options().ordered) emu::access(emu::at(address), 16, emu::Access::kRead);
  MatrixLoad load{address, to};
  emu::meet_warp(&load, "ldmatrix", [=](void** lanes) {
    for (int i = 0; i < 4; ++i) {
      uint16_t matrix[8][8];
      for (int row = 0; row < 8; ++row)
        std::memcpy(matrix[row], emu::at(static_cast<MatrixLoad*>(lanes[i * 8 + row])->address),
                    16);
      for (int l = 0; l < 32; ++l) {
        const int a = l / 4, b = 2 * (l % 4);
        const uint16_t pair[2] = {transposed ? matrix[b][a] : matrix[a][b],
                                  transposed ? matrix[b + 1][a] : matrix[a][b + 1]};
        std::memcpy(&static_cast<MatrixLoad*>(lanes[l])->to[i], pair, 4);
      }
    }
  });
}

struct Product {
  float* c;
  const uint32_t* a;
  uint32_t b[2];
};

}  // namespace

void ldmatrix_x4(uint32_t address, uint32_t* r) { ldmatrix(address, r, false); }
void ldmatrix_x4_trans(uint32_t address, uint32_t* r) { ldmatrix(address, r, true); }

uint32_t movmatrix_trans(uint32_t v) {
  uint32_t both[2] = {v, 0};
  emu::meet_aligned_warp(both, "movmatrix", [](void** lanes) {
    uint16_t matrix[8][8];
    for (int l = 0; l < 32; ++l) std::memcpy(&matrix[l / 4][2 * (l % 4)], lanes[l], 4);
    for (int l = 0; l < 32; ++l) {
      const uint16_t pair[2] = {matrix[2 * (l % 4)][l / 4], matrix[2 * (l % 4) + 1][l / 4]};
      std::memcpy(static_cast<uint32_t*>(lanes[l]) + 1, pair, 4);
    }
  });
  return both[1];
}

void multiply_16x8x16(float* c, const uint32_t* a, uint32_t b0, uint32_t b1, bool half) {
  Product product{c, a, {b0, b1}};
  emu::meet_warp(&product, "mma", [half](void** lanes) {
    float left[16][16], right[16][8], sums[8];
    for (int l = 0; l < 32; ++l) {
      const auto* p = static_cast<Product*>(lanes[l]);
      for (int e = 0; e < 2; ++e) {
        const int k = (l % 4) * 2 + e, r = l / 4;
        left[r][k] = emu::float_of_pair(p->a[0], e, half);
        left[r + 8][k] = emu::float_of_pair(p->a[1], e, half);
        left[r][k + 8] = emu::float_of_pair(p->a[2], e, half);
        left[r + 8][k + 8] = emu::float_of_pair(p->a[3], e, half);
        right[k][r] = emu::float_of_pair(p->b[0], e, half);
        right[k + 8][r] = emu::float_of_pair(p->b[1], e, half);
      }
    }
    for (int row = 0; row < 16; ++row) {  // four lanes hold it
      void** const holders = lanes + row % 8 * 4;
      const auto place = [&](int n) {
        return static_cast<Product*>(holders[n / 2])->c + row / 8 * 2 + n % 2;
      };
      for (int n = 0; n < 8; ++n) sums[n] = 0;
      for (int k = 0; k < 16; ++k)
        for (int n = 0; n < 8; ++n) sums[n] += left[row][k] * right[k][n];
      for (int n = 0; n < 8; ++n) *place(n) += sums[n];
    }
  });
}

}  // namespace ember::kernels
