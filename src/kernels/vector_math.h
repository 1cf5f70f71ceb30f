// Elementary functions of a vector: argument reduction and polynomials fitted to the smallest largest relative error
// (Remez / Lawson). Right at 0, ±Infinity, NaN and denormals; errors of 1 to 3 units in the last place. Included by vector.h.
#pragma once
#include "vector.h"

namespace heed {
namespace HEED_TIER {

constexpr float infinity = __builtin_inff();

// c0 + c1 x + c2 x² + ...
HEED_INLINE vf polynomial(vf, float c) { return splat(c); }
template <class... C> HEED_INLINE vf polynomial(vf x, float c, C... rest) { return fma(polynomial(x, rest...), x, c); }

// 2^n for -126 <= n <= 127.
HEED_INLINE vf power_of_two(vi n) { return as_float((n + 127) << 23); }
// x · 2^n for whole n, -250 <= n <= 250, or x NaN.
HEED_INLINE vf scale_by_power(vf x, vf n) {
#if defined(__AVX512F__)
  return (vf)_mm512_scalef_ps((__m512)x, (__m512)n);
#else
  vi whole = truncate(n), half = whole >> 1;
  return x * power_of_two(half) * power_of_two(whole - half);
#endif
}

// x = n log 2 + r with whole n and |r| <= log(2) / 2.
struct LogTwoParts {
  vf n, r;
};
HEED_INLINE LogTwoParts reduce_log_two(vf x) {
  vf n = round(x * 1.4426950408889634f);
  vf r = fma(n, -0.693359375f, x);  // 9 bits: n times it is exact
  return {n, fma(n, 2.12194440054690583e-4f, r)};
}

HEED_INLINE vf exp(vf x) {
  auto [n, r] = reduce_log_two(smaller(splat(89.0f), larger(splat(-105.0f), x)));
  vf p = polynomial(r, 0.4999999337307594f, 0.1666651952400397f, 0.04166840108583911f, 0.008368851074577188f,
                    0.0013814320468830076f);
  return scale_by_power(fma(r * r, p, r) + 1.0f, n);
}

HEED_INLINE vf expm1(vf x) {
  auto [n, r] = reduce_log_two(smaller(splat(89.0f), larger(splat(-18.0f), x)));
  vf p = polynomial(r, 0.5000000044663443f, 0.1666666636706931f, 0.04166635859978275f, 0.008333389798435972f,
                    0.0013940823244357075f, 0.00019845893385389533f);
  // 2 (2^(n-1) p + 2^(n-1) - 1/2), which overflows only when the result does
  vf half_power = scale_by_power(splat(0.5f), n);
  vf y = 2.0f * fma(half_power, fma(r * r, p, r), half_power - 0.5f);
  return select(abs(x) < 5.9604645e-8f, x, y);
}

// x > 0 and finite: x = m 2^e with m in [√½, √2); gives m - 1 and e.
struct MantissaParts {
  vf f, e;
};
HEED_INLINE MantissaParts split_mantissa(vf x) {
  vi denormal = x < 1.17549435e-38f;
  vi bits = as_int(select(denormal, x * 8388608.0f, x));
  vi e = (bits - 0x3f3504f3) >> 23;  // counted from √½
  vf m = as_float(bits - (e << 23));
  return {m - 1.0f, to_float(e - (denormal & 23))};
}

HEED_INLINE vf log(vf x) {
  auto [f, e] = split_mantissa(x);
  vf p = polynomial(f, 0.3333333170770009f, -0.25000821034346726f, 0.20001226876366224f, -0.16623357343669576f,
                    0.1420175799936204f, -0.13160182396392348f, 0.12761577043570174f, -0.07634496525073498f);
  vf square = f * f;
  vf tail = fma(e, -2.12194440054690583e-4f, square * f * p);
  vf y = fma(e, 0.693359375f, f + fma(square, -0.5f, tail));
  y = select(x == infinity, x, y);
  y = select(x > 0.0f, y, splat(__builtin_nanf("")));
  return select(x == 0.0f, splat(-infinity), y);
}

HEED_INLINE vf log1p(vf x) {
  vf u = 1.0f + x;
  // what rounding 1 + x lost, to first order
  vf lost = (x - (u - 1.0f)) / u;
  vf y = log(u) + select((u > 0.0f) & (u < infinity), lost, vf{});
  return select(abs(x) < 5.9604645e-8f, x, y);
}

// 1 / (1 + e⁻ˣ), without overflow on either side.
HEED_INLINE vf sigmoid(vf x) {
  vf e = exp(-abs(x));
  return select(x < 0.0f, e, splat(1.0f)) / (1.0f + e);
}

// tanh x = t / (t + 2) with t = e²ˣ - 1.
HEED_INLINE vf tanh(vf x) {
  vf t = expm1(2.0f * smaller(splat(9.1f), abs(x)));
  return copysign(t / (t + 2.0f), x);
}

// log(1 + eˣ), without overflow.
HEED_INLINE vf softplus(vf x) { return relu(x) + log1p(exp(-abs(x))); }

HEED_INLINE vf erf(vf x) {
  vf size = abs(x), square = size * size;
  vf near = size * polynomial(square, 1.1283791657277562f, -0.37612625827079377f, 0.11283585170903036f,
                              -0.026853812686968386f, 0.005188328922160026f, -0.0008010203411332141f,
                              7.85389119832545e-05f);
  // log(1 - erf) is smooth enough for a polynomial
  vf t = smaller(splat(4.0f), size);
  vf far = 1.0f - exp(polynomial(t, -0.0003415228372512414f, -1.12708919097813f, -0.6381448313291449f,
                                 -0.10310675592702763f, 0.02183806468438991f, -0.002947658476691605f,
                                 0.00018637920980840586f));
  return copysign(select(size < 1.0f, near, far), x);
}

// ½ erfc(|x| / √2), what a normal distribution has beyond |x|: 2 to the power of a polynomial; absolute error 4e-8, 0 from 14 on.
HEED_INLINE vf normal_tail(vf size) {
  vf y = polynomial(size, -1.0f, -1.1511083841323853f, -0.45917102694511414f, -0.05263543501496315f, 0.007298250216990709f,
                    -0.0003384352894499898f, -9.5635317848064e-05f, 1.9268649339210242e-05f, -1.110203243115393e-06f);
  vf n = round(larger(splat(-160.0f), y));
  vf p = polynomial(y - n, 1.0f, 0.6931470036506653f, 0.24022242426872253f, 0.05550733581185341f, 0.00967151764780283f,
                    0.0013264742447063327f);
  return scale_by_power(p, n);
}

// x Φ(x) with Φ the distribution function of the normal distribution.
HEED_INLINE vf gelu_erf(vf x) {
  vf size = smaller(splat(14.0f), abs(x));
  return fma(-size, normal_tail(size), relu(x));
}
// Φ(x) + x φ(x)
HEED_INLINE vf gelu_erf_slope(vf x) {
  vf tail = normal_tail(smaller(splat(14.0f), abs(x)));
  return fma(x * 0.3989422804014327f, exp(x * x * -0.5f), select(x < 0.0f, tail, 1.0f - tail));
}

// Derivative of x · ½ (1 + tanh u), u = √(2/π) (x + 0.044715 x³); ½ (1 + tanh u) is sigmoid(2u).
HEED_INLINE vf gelu_tanh_slope(vf x) {
  vf square = x * x;
  vf s = sigmoid(1.5957691216057308f * x * fma(square, 0.044715f, 1.0f));
  vf inner = x * 1.5957691216057308f * fma(square, 0.134145f, 1.0f);
  return fma(s, select(abs(x) < 20.0f, inner * (1.0f - s), vf{}), s);
}

// ---- sine and cosine

// Half the lanes as doubles.
constexpr int half_lanes = W / 2;
typedef float vf_half __attribute__((vector_size(W * 2)));
typedef double vd __attribute__((vector_size(W * 4)));
typedef int64_t vl __attribute__((vector_size(W * 4)));

HEED_INLINE vd low_doubles(vf x) {
  vf_half half;
  std::memcpy(&half, &x, sizeof half);
  return __builtin_convertvector(half, vd);
}
HEED_INLINE vd high_doubles(vf x) {
  vf_half half;
  std::memcpy(&half, reinterpret_cast<const char*>(&x) + sizeof half, sizeof half);
  return __builtin_convertvector(half, vd);
}
HEED_INLINE vf join_floats(vd low, vd high) {
  vf_half halves[2] = {__builtin_convertvector(low, vf_half), __builtin_convertvector(high, vf_half)};
  vf x;
  std::memcpy(&x, halves, sizeof x);
  return x;
}

// sin r and cos r for |r| <= π/4, turned by quadrant · π/2.
struct SineCosine {
  vf sine, cosine;
};
HEED_INLINE SineCosine turn(vf r, vi quadrant) {
  vf square = r * r;
  vf s = fma(r * square, polynomial(square, -0.16666654536636075f, 0.008332156054171612f, -0.00019514631938683116f), r);
  vf c = fma(square * square, polynomial(square, 0.04166664555446687f, -0.0013887309866545006f, 2.4432412977204977e-05f),
             fma(square, -0.5f, 1.0f));
  vi swap = (quadrant & 1) != 0;
  vi sine_sign = (quadrant & 2) << 30, cosine_sign = ((quadrant + 1) & 2) << 30;
  return {as_float(as_int(select(swap, c, s)) ^ sine_sign), as_float(as_int(select(swap, s, c)) ^ cosine_sign)};
}

// sin and cos of 2π u, exact reduction, for 0 <= u <= 1.
HEED_INLINE SineCosine sine_cosine_of_turns(vf u) {
  vf quadrant = round(u * 4.0f);
  return turn((u - quadrant * 0.25f) * 6.283185307179586f, truncate(quadrant));
}

// One number's remainder by π/2 and quadrant, for any finite size: the product with as many bits of 2/π as matter.
struct QuarterTurn {
  float r;
  int32_t quadrant;
};
inline QuarterTurn reduce_large(float x) {
  // bits of 2/π after the binary point, 32 at a time
  static constexpr uint32_t digits[] = {0, 0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0, 0xDB629599, 0x3C439041, 0xFE5163AB};
  int32_t bits;
  std::memcpy(&bits, &x, 4);
  int exponent = ((bits >> 23) & 255) - 150;  // |x| = mantissa · 2^exponent
  uint64_t mantissa = (uint64_t)(bits & 0x7fffff) | 0x800000;
  if (((bits >> 23) & 255) == 255) return {__builtin_nanf(""), 0};
  // the 96 bits of 2/π that start two places before what is worth 2^-exponent; digits[0] stands before the point
  int first = exponent + 30;
  int word = first >> 5, shift = first & 31;
  uint32_t part[3];
  for (int i = 0; i < 3; i++) {
    uint64_t two = (uint64_t)digits[word + i] << 32 | digits[word + i + 1];
    part[i] = (uint32_t)(two << shift >> 32);
  }
  // mantissa · those bits modulo 2^96: the two highest bits are the quadrant
  uint64_t high = mantissa * part[0], middle = mantissa * part[1], low = mantissa * part[2];
  uint64_t fraction = (high << 32) + middle + (low >> 32);
  int32_t quadrant = (int32_t)(fraction >> 62);
  int64_t rest = (int64_t)(fraction << 2);  // in units of 2^-64 quarter turns; beyond one half it is negative
  if (rest < 0) quadrant++;
  float r = (float)((double)rest * 8.5153039502163873e-20);  // π/2 · 2^-64
  return bits < 0 ? QuarterTurn{-r, -quadrant} : QuarterTurn{r, quadrant};
}

HEED_INLINE SineCosine sine_cosine(vf x) {
  constexpr double two_over_pi = 0.63661977236758134;
  constexpr double pi_over_two = 1.5707963267341256, rest = 6.077100506506192e-11;  // 33 bits: whole numbers times it are exact
  constexpr double magic = 6755399441055744.0;  // 1.5 · 2^52: the sum's low bits are a whole number
  vd low = low_doubles(x), high = high_doubles(x);
  vd low_number = (low * two_over_pi + magic) - magic, high_number = (high * two_over_pi + magic) - magic;
  vf r = join_floats((low - low_number * pi_over_two) - low_number * rest,
                     (high - high_number * pi_over_two) - high_number * rest);
  vi quadrant = truncate(join_floats(low_number, high_number));
  vi large = !(abs(x) < 100000.0f);
  if (__builtin_expect(any(large), 0))
    for (int i = 0; i < W; i++)
      if (large[i]) {
        QuarterTurn one = reduce_large(x[i]);
        r[i] = one.r;
        quadrant[i] = one.quadrant;
      }
  SineCosine y = turn(r, quadrant);
  return {select(abs(x) < 1e-4f, x, y.sine), y.cosine};
}
HEED_INLINE vf sin(vf x) { return sine_cosine(x).sine; }
HEED_INLINE vf cos(vf x) { return sine_cosine(x).cosine; }

// ---- powers

// log₂ of positive finite doubles to 1e-12, by the series of atanh.
HEED_INLINE vd log_two(vd x) {
  vl bits = (vl)x;
  vl shifted = bits - 0x3fe6a09e667f3bcdll;  // √½
  vl e = shifted >> 52;
  vd m = (vd)(bits - (e << 52));
  vd s = (m - 1.0) / (m + 1.0), q = s * s;
  vd series = 1.0 + q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q * (1.0 / 9 + q * (1.0 / 11 + q * (1.0 / 13))))));
  // e as a double through the mantissa of 1.5 · 2^52
  vd whole = (vd)(e + 0x4338000000000000ll) - 6755399441055744.0;
  return whole + s * series * 2.8853900817779268;
}

// a to the power of b, a > 0 finite: b · log₂ a in double, the rest in float.
HEED_INLINE vf positive_power(vf a, vf b) {
  constexpr double magic = 6755399441055744.0;
  vd low = low_doubles(b) * log_two(low_doubles(a)), high = high_doubles(b) * log_two(high_doubles(a));
  low = low < 200.0 ? (low > -200.0 ? low : low - low - 200.0) : low - low + 200.0;
  high = high < 200.0 ? (high > -200.0 ? high : high - high - 200.0) : high - high + 200.0;
  vd low_whole = (low + magic) - magic, high_whole = (high + magic) - magic;
  vf n = join_floats(low_whole, high_whole);
  vf r = join_floats((low - low_whole) * 0.69314718055994531, (high - high_whole) * 0.69314718055994531);
  vf p = polynomial(r, 0.4999999337307594f, 0.1666651952400397f, 0.04166840108583911f, 0.008368851074577188f,
                    0.0013814320468830076f);
  return scale_by_power(fma(r * r, p, r) + 1.0f, n);
}

// a to the power of b, as C's pow.
HEED_INLINE vf pow(vf a, vf b) {
  vf size = abs(a);
  vi whole = floor(b) == b;
  vf half = b * 0.5f;
  vi odd = whole & (floor(half) != half);
  vi outside = (size == 0.0f) | (size == infinity) | (abs(b) == infinity);
  vf y = positive_power(select(outside | (size != size), splat(1.0f), size), select(abs(b) < infinity, b, vf{}));
  // 0, Infinity: the power grows or vanishes
  vi grows = ((size > 1.0f) & (b > 0.0f)) | ((size < 1.0f) & (b < 0.0f));
  y = select(outside, select(grows, splat(infinity), select(size == 1.0f, splat(1.0f), vf{})), y);
  y = select(odd, copysign(y, a), y);
  y = select((a < 0.0f) & (size < infinity) & (abs(b) < infinity) & ~whole, splat(__builtin_nanf("")), y);
  y = select((a != a) | (b != b), a + b, y);
  return select((b == 0.0f) | (a == 1.0f), splat(1.0f), y);
}

}  // namespace HEED_TIER
}  // namespace heed
