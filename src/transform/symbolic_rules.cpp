// Identities of formulas, each a row. They hold where both sides are defined, but not to the last
// digit: never for the compiler.
#include <algorithm>
#include <cmath>
#include <map>

#include "transform/symbolic.h"

namespace varve::transform::symbolic {
namespace {

using Args = std::span<const Expression>;
using Result = std::optional<Expression>;
constexpr std::nullopt_t no = std::nullopt;

bool looks_negative(const Expression& x) {
  const auto terms = terms_of(x);
  return std::all_of(terms.begin(), terms.end(),
                     [](const Expression& t) { return scaled(t).factor < 0; });
}

/// f(-u) = -f(u) and f(-u) = f(u), by the functions that rows name.
template <const char* const& name>
Result odd(Args x) {
  return looks_negative(x[0]) ? Result(negative(call(name, {negative(x[0])}))) : no;
}
template <const char* const& name>
Result even(Args x) {
  return looks_negative(x[0]) ? Result(call(name, {negative(x[0])})) : no;
}
constexpr const char *kSin = "sin", *kTan = "tan", *kAsin = "asin", *kAtan = "atan",
                     *kSinh = "sinh", *kTanh = "tanh", *kAsinh = "asinh", *kAtanh = "atanh",
                     *kErf = "erf", *kSign = "sign", *kCos = "cos", *kCosh = "cosh", *kAbs = "abs";

Result zero_at_zero(Args x) { return is_number(x[0], 0) ? Result(number(0)) : no; }
Result one_at_zero(Args x) { return is_number(x[0], 0) ? Result(number(1)) : no; }

Result log_of_known(Args x) {
  if (is_number(x[0], 1)) return number(0);
  if (is_call(x[0], "exp")) return x[0]->args[0];
  return no;
}

Result log_of_power(Args x) {
  if (x[0]->kind != Kind::power) return no;
  const Expression &base = x[0]->args[0], &exponent = x[0]->args[1];
  const bool even_power = is_integer(exponent) && std::fmod(exponent->number, 2) == 0;
  return multiply({exponent, call("log", {even_power ? call("abs", {base}) : base})});
}

Result exp_of_log(Args x) {
  std::vector<Expression> rest;
  Expression base;
  for (const Expression& f : factors_of(x[0])) {
    if (!base && is_call(f, "log")) {
      base = f->args[0];
    } else {
      rest.push_back(f);
    }
  }
  return base ? Result(power(base, multiply(rest))) : no;
}

Result exp_of_sum_with_logs(Args x) {
  if (x[0]->kind != Kind::sum) return no;
  std::vector<Expression> plain, powers;
  for (const Expression& t : x[0]->args) {
    const Expression p = call("exp", {t});
    (is_call(p, "exp") ? plain : powers).push_back(is_call(p, "exp") ? t : p);
  }
  if (powers.empty()) return no;
  powers.push_back(call("exp", {add(plain)}));
  return multiply(powers);
}

Result inverse_inside(Args x, const char* inverse) {
  return is_call(x[0], inverse) ? Result(x[0]->args[0]) : no;
}

Result abs_of_known(Args x) {
  if (is_number(x[0])) return number(std::abs(x[0]->number));
  if (is_call(x[0], "abs") || is_call(x[0], "exp") || is_call(x[0], "sigmoid")) return x[0];
  if (x[0]->kind == Kind::power && is_integer(x[0]->args[1]) &&
      std::fmod(x[0]->args[1]->number, 2) == 0)
    return x[0];
  return no;
}

Result abs_of_multiple(Args x) {
  const Scaled s = scaled(x[0]);
  if (s.factor == 1 || is_number(x[0])) return no;
  return multiply({number(std::abs(s.factor)), call("abs", {s.rest})});
}

Result sign_of_multiple(Args x) {
  const Scaled s = scaled(x[0]);
  if (is_number(x[0])) return number(s.factor > 0 ? 1 : s.factor < 0 ? -1 : 0);
  if (s.factor == 1) return no;
  return multiply({number(s.factor > 0 ? 1 : -1), call("sign", {s.rest})});
}

Result abs_to_an_even_power(Args x) {
  const bool even_power = is_integer(x[1]) && std::fmod(x[1]->number, 2) == 0;
  return is_call(x[0], "abs") && even_power ? Result(power(x[0]->args[0], x[1])) : no;
}

Result sign_to_a_power(Args x) {
  if (!is_call(x[0], "sign") || !is_integer(x[1])) return no;
  return std::fmod(x[1]->number, 2) == 0 ? number(1) : x[0];
}

Result compare_numbers(Args x, bool (*holds)(double, double)) {
  if (is_number(x[0]) && is_number(x[1])) return number(holds(x[0]->number, x[1]->number) ? 1 : 0);
  return no;
}

Result positive_part_of_relu(Args x) {
  if (is_call(x[0], "relu") && is_number(x[1], 0)) return call("greater", {x[0]->args[0], x[1]});
  return compare_numbers(x, [](double a, double b) { return a > b; });
}

Result where_known(Args x) {
  if (is_number(x[0])) return x[0]->number != 0 ? x[1] : x[2];
  return same(x[1], x[2]) ? Result(x[1]) : no;
}

/// x, rebuilt with every part that `other` has something else for.
template <class F>
Expression rebuilt(const Expression& x, const F& other) {
  if (const Result y = other(x)) return *y;
  std::vector<Expression> args;
  bool changed = false;
  for (const Expression& a : x->args) {
    args.push_back(rebuilt(a, other));
    changed |= !same(args.back(), a);
  }
  if (!changed) return x;
  switch (x->kind) {
    case Kind::sum:
      return add(args);
    case Kind::product:
      return multiply(args);
    case Kind::power:
      return power(args[0], args[1]);
    default:
      return call(x->name, std::move(args));
  }
}

/// A branch that is taken where `condition` is `holds`: choices by the same condition are made.
Expression known(const Expression& branch, const Expression& condition, bool holds) {
  return rebuilt(branch, [&](const Expression& x) -> Result {
    const bool again = is_call(x, "where") && same(x->args[0], condition);
    return again ? Result(known(x->args[holds ? 1 : 2], condition, holds)) : no;
  });
}

Result where_within(Args x) {
  const Expression a = known(x[1], x[0], true), b = known(x[2], x[0], false);
  return same(a, x[1]) && same(b, x[2]) ? no : Result(call("where", {x[0], a, b}));
}

/// Whether x is a power of 0 to 0 or less, or the logarithm of such a number, somewhere, where u is
/// v.
bool undefined_at(const Expression& x, const Expression& u, const Expression& v) {
  const auto at = [&](const Expression& y) {
    return rebuilt(y, [&](const Expression& z) { return same(z, u) ? Result(v) : no; });
  };
  if (x->kind == Kind::power && is_number(at(x->args[0]), 0)) {
    const Expression exponent = at(x->args[1]);
    if (is_number(exponent) && exponent->number <= 0) return true;
  }
  if (is_call(x, "log")) {
    const Expression inside = at(x->args[0]);
    if (is_number(inside) && inside->number <= 0) return true;
  }
  return std::any_of(x->args.begin(), x->args.end(),
                     [&](const Expression& y) { return undefined_at(y, u, v); });
}

Result where_equal(Args x) {
  if (!is_call(x[0], "equal")) return no;
  for (const size_t i : {0u, 1u}) {
    const Expression &u = x[0]->args[i], &v = x[0]->args[1 - i];
    if (is_number(u)) continue;
    if (undefined_at(x[2], u, v)) {
      if (is_number(x[1], 0)) return x[2];
      continue;
    }
    const auto met = [&](const Expression& z) { return same(z, u) ? Result(v) : no; };
    if (same(rebuilt(x[2], met), rebuilt(x[1], met))) return x[2];
  }
  return no;
}

Result truncated(Args x) {
  if (is_number(x[0])) return number(std::trunc(x[0]->number));
  for (const char* whole : {"trunc", "floor", "ceil", "round", "sign"}) {
    if (is_call(x[0], whole)) return x[0];
  }
  return no;
}

const Identity kCallRules[] = {
    {"sin(-u) -> -sin(u)", "sin", odd<kSin>},
    {"tan(-u) -> -tan(u)", "tan", odd<kTan>},
    {"asin(-u) -> -asin(u)", "asin", odd<kAsin>},
    {"atan(-u) -> -atan(u)", "atan", odd<kAtan>},
    {"sinh(-u) -> -sinh(u)", "sinh", odd<kSinh>},
    {"tanh(-u) -> -tanh(u)", "tanh", odd<kTanh>},
    {"asinh(-u) -> -asinh(u)", "asinh", odd<kAsinh>},
    {"atanh(-u) -> -atanh(u)", "atanh", odd<kAtanh>},
    {"erf(-u) -> -erf(u)", "erf", odd<kErf>},
    {"sign(c u) -> sign(c) sign(u)", "sign", sign_of_multiple},
    {"sign(-u) -> -sign(u)", "sign", odd<kSign>},
    {"cos(-u) -> cos(u)", "cos", even<kCos>},
    {"cosh(-u) -> cosh(u)", "cosh", even<kCosh>},
    {"|u| -> u of what is never negative", "abs", abs_of_known},
    {"|c u| -> |c| |u|", "abs", abs_of_multiple},
    {"|-u| -> |u|", "abs", even<kAbs>},
    {"sin(0) -> 0", "sin", zero_at_zero},
    {"tan(0) -> 0", "tan", zero_at_zero},
    {"atan(0) -> 0", "atan", zero_at_zero},
    {"sinh(0) -> 0", "sinh", zero_at_zero},
    {"tanh(0) -> 0", "tanh", zero_at_zero},
    {"cos(0) -> 1", "cos", one_at_zero},
    {"cosh(0) -> 1", "cosh", one_at_zero},
    {"exp(0) -> 1", "exp", one_at_zero},
    {"log(1) -> 0, log(exp(u)) -> u", "log", log_of_known},
    {"log(u^a) -> a log(u), of |u| where a is even", "log", log_of_power},
    {"exp(a log(u)) -> u^a", "exp", exp_of_log},
    {"exp(u + a log(v)) -> exp(u) v^a", "exp", exp_of_sum_with_logs},
    {"sin(asin(u)) -> u", "sin", [](Args x) { return inverse_inside(x, "asin"); }},
    {"cos(acos(u)) -> u", "cos", [](Args x) { return inverse_inside(x, "acos"); }},
    {"tan(atan(u)) -> u", "tan", [](Args x) { return inverse_inside(x, "atan"); }},
    {"|u|^a -> u^a for an even a", "^", abs_to_an_even_power},
    {"sign(u)^a -> 1 or sign(u)", "^", sign_to_a_power},
    {"relu(u) > 0 -> u > 0; a > b of numbers", "greater", positive_part_of_relu},
    {"a == b of numbers", "equal",
     [](Args x) { return compare_numbers(x, [](double a, double b) { return a == b; }); }},
    {"a < b of numbers", "less",
     [](Args x) { return compare_numbers(x, [](double a, double b) { return a < b; }); }},
    {"where(true, a, b) -> a; where(c, a, a) -> a", "where", where_known},
    {"where(c, where(c, a, d), where(c, e, b)) -> where(c, a, b)", "where", where_within},
    {"where(u == v, a, b) -> b where b is a where they meet, or has no value there and a is 0",
     "where", where_equal},
    {"trunc(u) -> u of what is whole", "trunc", truncated},
};

/// The product without one factor f(u)^2, where it has that.
struct Squared {
  Expression argument, rest;
};
std::optional<Squared> without_square(const Expression& x, const char* f) {
  std::vector<Expression> rest;
  Expression argument;
  for (const Expression& factor : factors_of(x)) {
    if (!argument && factor->kind == Kind::power && is_number(factor->args[1], 2) &&
        is_call(factor->args[0], f)) {
      argument = factor->args[0]->args[0];
    } else {
      rest.push_back(factor);
    }
  }
  if (!argument || !x->finite) return no;
  return Squared{argument, multiply(rest)};
}

/// a f(u)^2 + sign a g(u)^2 -> a.
Result squares(Args terms, const char* f, const char* g, double sign) {
  for (size_t i = 0; i < terms.size(); ++i) {
    const auto square = without_square(terms[i], f);
    if (!square) continue;
    const Scaled a = scaled(square->rest);
    for (size_t k = 0; k < terms.size(); ++k) {
      if (k == i) continue;
      const auto other = without_square(terms[k], g);
      if (!other || !same(other->argument, square->argument)) continue;
      const Scaled b = scaled(other->rest);
      if (!same(a.rest, b.rest) || b.factor != sign * a.factor) continue;
      std::vector<Expression> left{square->rest};
      for (size_t m = 0; m < terms.size(); ++m) {
        if (m != i && m != k) left.push_back(terms[m]);
      }
      return add(left);
    }
  }
  return no;
}

/// a - a f(u)^2 -> sign a g(u)^2.
Result one_less_square(Args terms, const char* f, const char* g) {
  for (size_t i = 0; i < terms.size(); ++i) {
    const auto square = without_square(terms[i], f);
    if (!square) continue;
    const Expression wanted = negative(square->rest);
    for (size_t k = 0; k < terms.size(); ++k) {
      if (k == i || !same(terms[k], wanted)) continue;
      std::vector<Expression> left{
          multiply({wanted, power(call(g, {square->argument}), number(2))})};
      for (size_t m = 0; m < terms.size(); ++m) {
        if (m != i && m != k) left.push_back(terms[m]);
      }
      return add(left);
    }
  }
  return no;
}

Result number_and_choice(Args terms) {
  if (terms.size() != 2) return no;
  for (size_t i = 0; i < 2; ++i) {
    const Scaled s = scaled(terms[i]);
    if (!is_number(terms[1 - i]) || !is_call(s.rest, "where")) continue;
    const Expression &a = s.rest->args[1], &b = s.rest->args[2];
    if (!is_number(a) || !is_number(b)) continue;
    const double shift = terms[1 - i]->number;
    return call("where", {s.rest->args[0], number(shift + s.factor * a->number),
                          number(shift + s.factor * b->number)});
  }
  return no;
}

const Identity kSumRules[] = {
    {"a sin(u)^2 + a cos(u)^2 -> a", "+", [](Args t) { return squares(t, "sin", "cos", 1); }},
    {"a cosh(u)^2 - a sinh(u)^2 -> a", "+", [](Args t) { return squares(t, "cosh", "sinh", -1); }},
    {"a - a sin(u)^2 -> a cos(u)^2", "+", [](Args t) { return one_less_square(t, "sin", "cos"); }},
    {"a - a cos(u)^2 -> a sin(u)^2", "+", [](Args t) { return one_less_square(t, "cos", "sin"); }},
    {"a + b where(c, d, e) -> where(c, a + b d, a + b e), of numbers", "+", number_and_choice},
};

/// f(u)^a g(u)^b -> h(u)^a, where b = -a.
Result ratio(Args factors, const char* f, const char* g, const char* h) {
  for (size_t i = 0; i < factors.size(); ++i) {
    const Raised a = raised(factors[i]);
    if (!is_call(a.base, f) || !is_number(a.exponent)) continue;
    for (size_t k = 0; k < factors.size(); ++k) {
      const Raised b = raised(factors[k]);
      if (!is_call(b.base, g) || !same(a.base->args[0], b.base->args[0])) continue;
      if (!is_number(b.exponent, -a.exponent->number)) continue;
      std::vector<Expression> left{power(call(h, {a.base->args[0]}), a.exponent)};
      for (size_t m = 0; m < factors.size(); ++m) {
        if (m != i && m != k) left.push_back(factors[m]);
      }
      return multiply(left);
    }
  }
  return no;
}

/// u sign(u) -> |u|; |u| sign(u) -> u.
Result with_sign(Args factors) {
  for (size_t i = 0; i < factors.size(); ++i) {
    if (!is_call(factors[i], "sign")) continue;
    const Expression& u = factors[i]->args[0];
    for (size_t k = 0; k < factors.size(); ++k) {
      const bool itself = same(factors[k], u);
      const bool size = is_call(factors[k], "abs") && same(factors[k]->args[0], u);
      if (k == i || (!itself && !size)) continue;
      std::vector<Expression> left{itself ? call("abs", {u}) : u};
      for (size_t m = 0; m < factors.size(); ++m) {
        if (m != i && m != k) left.push_back(factors[m]);
      }
      return multiply(left);
    }
  }
  return no;
}

const Identity kProductRules[] = {
    {"sin(u) / cos(u) -> tan(u)", "*", [](Args f) { return ratio(f, "sin", "cos", "tan"); }},
    {"sinh(u) / cosh(u) -> tanh(u)", "*", [](Args f) { return ratio(f, "sinh", "cosh", "tanh"); }},
    {"u sign(u) -> |u|, |u| sign(u) -> u", "*", with_sign},
};

/// Products over sums multiplied out, for small sums.
Expression expanded(const Expression& x) {
  constexpr double kLargestPower = 3;
  constexpr size_t kMostTerms = 64;
  std::vector<Expression> terms{number(1)};
  for (const Expression& f : factors_of(x)) {
    const Raised r = raised(f);
    const bool opened = r.base->kind == Kind::sum && is_integer(r.exponent) &&
                        r.exponent->number > 0 && r.exponent->number <= kLargestPower;
    const int times = opened ? static_cast<int>(r.exponent->number) : 1;
    for (int i = 0; i < times; ++i) {
      std::vector<Expression> next;
      for (const Expression& t : terms) {
        for (const Expression& s : opened ? r.base->args : std::vector<Expression>{f})
          next.push_back(multiply({t, s}));
      }
      if (next.size() > kMostTerms) return x;
      terms = std::move(next);
    }
  }
  return add(terms);
}

/// Every term times `factor`, multiplied out, over it again.
Expression over(const Expression& sum, const Expression& factor) {
  std::vector<Expression> terms;
  for (const Expression& t : terms_of(sum)) terms.push_back(expanded(multiply({t, factor})));
  return multiply({add(terms), power(factor, number(-1))});
}

/// A sum brought over its denominators, and freed of factors that all terms have, where that makes
/// the text shorter. Powers of a single symbol stay: polynomials are read as they are.
Expression shorter_sum(const Expression& sum) {
  if (!sum->finite) return sum;
  std::map<std::string, std::pair<Expression, double>> most, least;
  for (const Expression& t : terms_of(sum)) {
    for (const Expression& f : factors_of(t)) {
      const Raised r = raised(f);
      if (is_number(f) || !is_number(r.exponent)) {
        if (!is_number(f)) least.try_emplace(f->key, f, 1);
        continue;
      }
      auto [at, fresh] = most.try_emplace(r.base->key, r.base, r.exponent->number);
      at->second.second = std::min(at->second.second, r.exponent->number);
    }
  }
  Expression best = sum;
  size_t length = to_text(best).size();
  const auto consider = [&](const Expression& candidate, size_t handicap = 0) {
    if (const size_t n = to_text(candidate).size(); n < length + handicap) {
      best = candidate;
      length = n;
    }
  };
  std::vector<Expression> denominators;
  for (const auto& [key, base] : most) {
    if (base.second < 0) {
      denominators.push_back(power(base.first, number(-base.second)));
      consider(over(sum, denominators.back()));
    } else if (base.first->kind != Kind::symbol) {
      consider(over(sum, power(base.first, number(-base.second))));
    }
  }
  if (denominators.size() > 1) consider(over(sum, multiply(denominators)));
  // x^x (log(x) + 1) says more than x^x + x^x log(x), at the same length.
  for (const auto& [key, factor] : least) consider(over(sum, power(factor.first, number(-1))), 1);
  return best;
}

}  // namespace

std::span<const Identity> call_rules() { return kCallRules; }
std::span<const Identity> sum_rules() { return kSumRules; }
std::span<const Identity> product_rules() { return kProductRules; }

Expression shortest(const Expression& x) {
  std::vector<Expression> args;
  for (const Expression& a : x->args) args.push_back(shortest(a));
  switch (x->kind) {
    case Kind::sum: {
      const Expression whole = add(args);
      if (whole->kind != Kind::sum) return whole;
      const Expression better = shorter_sum(whole);
      return same(better, whole) ? whole : shortest(better);
    }
    case Kind::product:
      return multiply(args);
    case Kind::power:
      return power(args[0], args[1]);
    case Kind::call:
      return call(x->name, args);
    default:
      return x;
  }
}

}  // namespace varve::transform::symbolic
