// Made by scripts/generate-pointwise.mjs from tensor/ops/pointwise.ts: do not edit.
#pragma once

// X(opcode, name, arity, signature, expression): the signature's letters are the type of the operands and of the result,
// f float, i int, b bool, s (bool, T, T); the expression is over the lanes a, b, c.
#define HEED_POINTWISE(X) \
  X(2, "copy.f32", 1, ff, a) \
  X(3, "copy.i32", 1, ii, a) \
  X(4, "copy.bool", 1, bb, a) \
  X(5, "cast.i32.f32", 1, if, to_float(a)) \
  X(6, "cast.f32.i32", 1, fi, to_int(a)) \
  X(7, "cast.f32.bool", 1, fb, to_bool(a != 0.0f)) \
  X(8, "cast.i32.bool", 1, ib, to_bool(a != 0)) \
  X(9, "cast.bool.f32", 1, bf, to_float(a)) \
  X(10, "cast.bool.i32", 1, bi, a) \
  X(11, "add.f32", 2, ff, a + b) \
  X(12, "add.i32", 2, ii, wrapping_add(a, b)) \
  X(13, "sub.f32", 2, ff, a - b) \
  X(14, "sub.i32", 2, ii, wrapping_sub(a, b)) \
  X(15, "mul.f32", 2, ff, a * b) \
  X(16, "mul.i32", 2, ii, wrapping_mul(a, b)) \
  X(17, "div.f32", 2, ff, a / b) \
  X(18, "pow.f32", 2, ff, pow(a, b)) \
  X(19, "neg.f32", 1, ff, -a) \
  X(20, "neg.i32", 1, ii, wrapping_neg(a)) \
  X(21, "abs.f32", 1, ff, abs(a)) \
  X(22, "abs.i32", 1, ii, abs(a)) \
  X(23, "sign.f32", 1, ff, sign(a)) \
  X(24, "sign.i32", 1, ii, sign(a)) \
  X(25, "exp.f32", 1, ff, exp(a)) \
  X(26, "log.f32", 1, ff, log(a)) \
  X(27, "log1p.f32", 1, ff, log1p(a)) \
  X(28, "expm1.f32", 1, ff, expm1(a)) \
  X(29, "sqrt.f32", 1, ff, sqrt(a)) \
  X(30, "rsqrt.f32", 1, ff, 1.0f / sqrt(a)) \
  X(31, "sin.f32", 1, ff, sin(a)) \
  X(32, "cos.f32", 1, ff, cos(a)) \
  X(33, "tanh.f32", 1, ff, tanh(a)) \
  X(34, "sigmoid.f32", 1, ff, sigmoid(a)) \
  X(35, "erf.f32", 1, ff, erf(a)) \
  X(36, "relu.f32", 1, ff, relu(a)) \
  X(37, "relu.i32", 1, ii, relu(a)) \
  X(38, "gelu_erf.f32", 1, ff, gelu_erf(a)) \
  X(39, "gelu_erf_slope.f32", 1, ff, gelu_erf_slope(a)) \
  X(40, "gelu_tanh.f32", 1, ff, a * sigmoid(1.5957691216057308f * (a + 0.044715f * a * a * a))) \
  X(41, "gelu_tanh_slope.f32", 1, ff, gelu_tanh_slope(a)) \
  X(42, "gelu_quick.f32", 1, ff, a * sigmoid(1.702f * a)) \
  X(43, "silu.f32", 1, ff, a * sigmoid(a)) \
  X(44, "softplus.f32", 1, ff, softplus(a)) \
  X(45, "maximum.f32", 2, ff, max(a, b)) \
  X(46, "maximum.i32", 2, ii, max(a, b)) \
  X(47, "minimum.f32", 2, ff, min(a, b)) \
  X(48, "minimum.i32", 2, ii, min(a, b)) \
  X(49, "floor.f32", 1, ff, floor(a)) \
  X(50, "round.f32", 1, ff, round(a)) \
  X(51, "eq.f32", 2, fb, to_bool(a == b)) \
  X(52, "eq.i32", 2, ib, to_bool(a == b)) \
  X(53, "ne.f32", 2, fb, to_bool(a != b)) \
  X(54, "ne.i32", 2, ib, to_bool(a != b)) \
  X(55, "lt.f32", 2, fb, to_bool(a < b)) \
  X(56, "lt.i32", 2, ib, to_bool(a < b)) \
  X(57, "le.f32", 2, fb, to_bool(a <= b)) \
  X(58, "le.i32", 2, ib, to_bool(a <= b)) \
  X(59, "gt.f32", 2, fb, to_bool(a > b)) \
  X(60, "gt.i32", 2, ib, to_bool(a > b)) \
  X(61, "ge.f32", 2, fb, to_bool(a >= b)) \
  X(62, "ge.i32", 2, ib, to_bool(a >= b)) \
  X(63, "and.bool", 2, bb, a & b) \
  X(64, "or.bool", 2, bb, a | b) \
  X(65, "xor.bool", 2, bb, a ^ b) \
  X(66, "not.bool", 1, bb, a ^ 1) \
  X(67, "where.f32", 3, sf, select(a, b, c)) \
  X(68, "where.i32", 3, si, select(a, b, c))

namespace heed {
inline constexpr int pointwise_opcodes = 69;
}
