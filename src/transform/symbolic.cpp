#include "transform/symbolic.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>

#include "varve/error.h"

namespace varve::transform::symbolic {
namespace {

// Beyond this nobody reads a formula; values that many others use are written out each time.
constexpr size_t kLongest = 100'000;

Expression make(Node node) {
  if (node.key.size() > kLongest) {
    throw ValueError("formula: the text is longer than " + std::to_string(kLongest) + " characters",
                     "look at a part of the computation");
  }
  for (const Expression& a : node.args) node.finite &= a->finite;
  return std::make_shared<const Node>(std::move(node));
}

std::string key_of(const char* kind, const std::vector<Expression>& args) {
  std::string key = kind;
  key += "(";
  for (const Expression& a : args) key += a->key + ",";
  return key + ")";
}

/// Sums of thirds and the like come out a rounding beside the fraction.
double snapped(double v) {
  constexpr int kLargestDenominator = 64;
  constexpr double kRoundings = 8 * 0x1p-52;
  if (!std::isfinite(v) || std::abs(v) > 1e9) return v;
  for (int q = 1; q <= kLargestDenominator; ++q) {
    const double p = std::nearbyint(v * q);
    if (p != 0 && std::abs(v * q - p) <= kRoundings * std::abs(p)) return p / q;
  }
  return v;
}

bool by_key(const Expression& a, const Expression& b) { return a->key < b->key; }

/// Where x meets its like: alone, where it is not finite.
template <class Map>
std::string place_of(const Expression& x, const Map& places) {
  return x->finite ? x->key : x->key + "#" + std::to_string(places.size());
}

/// Coefficients by what they stand before.
using Collected = std::map<std::string, Scaled>;

void collect(Collected& into, const Expression& term, double factor) {
  if (term->kind == Kind::sum) {
    for (const Expression& t : term->args) collect(into, t, factor);
    return;
  }
  const Scaled s = scaled(term);
  auto [at, fresh] = into.try_emplace(place_of(s.rest, into), Scaled{0, s.rest});
  at->second.factor += s.factor * factor;
}

/// factor * rest for a rest that is no number and no sum.
Expression with_factor(double factor, const Expression& rest) {
  if (factor == 1) return rest;
  std::vector<Expression> args{number(factor)};
  for (const Expression& f : factors_of(rest)) args.push_back(f);
  std::string key = key_of("*", args);
  return make({Kind::product, 0, "", std::move(args), std::move(key)});
}

// No identifier, so that no name of a user is meant.
Expression e() { return symbol("exp(1)"); }

/// base^exponent as a node, in normal form already.
Expression power_node(const Expression& base, const Expression& exponent) {
  std::vector<Expression> args{base, exponent};
  std::string key = key_of("^", args);
  return make({Kind::power, 0, "", std::move(args), std::move(key)});
}

/// A number to a numeric power where that is a short number itself.
std::optional<double> exact_power(double base, double exponent) {
  const double v = snapped(std::pow(base, exponent));
  if (!std::isfinite(v) || std::abs(v) > 1e12 || std::abs(v) < 1e-12) return std::nullopt;
  if (exponent == std::nearbyint(exponent)) return v;
  for (int q = 1; q <= 64; ++q) {
    if (v * q == std::nearbyint(v * q)) return v;
  }
  return std::nullopt;
}

Expression power_of_power(const Expression& base, const Expression& outer) {
  const Expression &b = base->args[0], &inner = base->args[1];
  const Expression product = multiply({inner, outer});
  if (is_integer(outer)) return power(b, product);
  // (u^2)^(1/2) is |u|; (u^-1)^(1/2) and (u^(1/2))^(1/3) ask for a positive u already.
  if (is_integer(inner) && std::fmod(inner->number, 2) == 0)
    return power(call("abs", {b}), product);
  if (is_number(inner, -1) || (is_number(inner) && !is_integer(inner))) return power(b, product);
  return power_node(base, outer);
}

Expression power_of_product(const Expression& base, const Expression& exponent) {
  std::vector<Expression> parts;
  if (is_integer(exponent)) {
    for (const Expression& f : base->args) parts.push_back(power(f, exponent));
    return multiply(parts);
  }
  const Scaled s = scaled(base);
  if (s.factor > 0 && s.factor != 1 && is_number(exponent)) {
    if (const auto outside = exact_power(s.factor, exponent->number))
      return multiply({number(*outside), power(s.rest, exponent)});
  }
  return power_node(base, exponent);
}

Expression product_node(double factor, std::vector<Expression> factors) {
  const bool finite =
      std::all_of(factors.begin(), factors.end(), [](const Expression& f) { return f->finite; });
  if (factor == 0 && finite) return number(0);
  if (factors.empty()) return number(factor);
  if (factors.size() == 1 && factors[0]->kind == Kind::sum && factor != 1) {
    std::vector<Expression> terms;
    for (const Expression& t : factors[0]->args) terms.push_back(multiply({number(factor), t}));
    return add(terms);
  }
  std::sort(factors.begin(), factors.end(), by_key);
  if (factor != 1) factors.insert(factors.begin(), number(factor));
  if (factors.size() == 1) return factors[0];
  std::string key = key_of("*", factors);
  return make({Kind::product, 0, "", std::move(factors), std::move(key)});
}

}  // namespace

Expression number(double value) {
  const double v = snapped(value) + 0.;  // no negative zero
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, v).ptr;
  return make({Kind::number, v, "", {}, std::string(text, end)});
}

Expression symbol(std::string name, const Beside& beside) {
  std::string key = "'" + name + beside.key;
  return make({Kind::symbol, 0, std::move(name), {}, std::move(key), beside.finite});
}

bool is_number(const Expression& x) { return x->kind == Kind::number; }
bool is_number(const Expression& x, double value) { return is_number(x) && x->number == value; }
bool is_integer(const Expression& x) {
  return is_number(x) && x->number == std::nearbyint(x->number);
}
bool is_call(const Expression& x, std::string_view name) {
  return x->kind == Kind::call && x->name == name;
}

std::vector<Expression> factors_of(const Expression& x) {
  return x->kind == Kind::product ? x->args : std::vector<Expression>{x};
}
std::vector<Expression> terms_of(const Expression& x) {
  return x->kind == Kind::sum ? x->args : std::vector<Expression>{x};
}

Scaled scaled(const Expression& x) {
  if (is_number(x)) return {x->number, number(1)};
  if (x->kind != Kind::product || !is_number(x->args[0])) return {1, x};
  return {x->args[0]->number, product_node(1, {x->args.begin() + 1, x->args.end()})};
}

Raised raised(const Expression& x) {
  if (x->kind == Kind::power) return {x->args[0], x->args[1]};
  if (is_call(x, "exp")) return {e(), x->args[0]};
  return {x, number(1)};
}

Expression add(const std::vector<Expression>& terms) {
  Collected collected;
  for (const Expression& t : terms) collect(collected, t, 1);
  std::vector<Expression> list;
  for (const auto& [key, s] : collected) {
    const double factor = snapped(s.factor);
    if (factor == 0 && s.rest->finite) continue;
    list.push_back(is_number(s.rest) ? number(factor) : with_factor(factor, s.rest));
  }
  if (list.empty()) return number(0);
  if (list.size() == 1) return list[0];
  for (const Identity& rule : sum_rules()) {
    if (auto better = rule.apply(list)) return *better;
  }
  std::sort(list.begin(), list.end(), by_key);
  std::string key = key_of("+", list);
  return make({Kind::sum, 0, "", std::move(list), std::move(key)});
}

Expression multiply(const std::vector<Expression>& factors) {
  double factor = 1;
  std::map<std::string, std::pair<Expression, std::vector<Expression>>> exponents;
  for (const Expression& given : factors) {
    for (const Expression& f : factors_of(given)) {
      if (is_number(f)) {
        factor = snapped(factor * f->number);
        continue;
      }
      const Raised r = raised(f);
      auto [at, fresh] =
          exponents.try_emplace(place_of(r.base, exponents), r.base, std::vector<Expression>{});
      at->second.second.push_back(r.exponent);
    }
  }
  std::vector<Expression> list;
  bool again = false;
  for (const auto& [key, power_of] : exponents) {
    const Expression p = power(power_of.first, add(power_of.second));
    again |= p->kind == Kind::product || (!same(raised(p).base, power_of.first) && !is_number(p));
    if (is_number(p)) {
      factor = snapped(factor * p->number);
    } else {
      list.push_back(p);
    }
  }
  if (again) {
    list.push_back(number(factor));
    return multiply(list);
  }
  for (const Identity& rule : product_rules()) {
    if (auto better = rule.apply(list)) return multiply({number(factor), *better});
  }
  return product_node(factor, std::move(list));
}

Expression power(const Expression& base, const Expression& exponent) {
  if (is_number(exponent, 0) || is_number(base, 1)) return number(1);
  if (is_number(exponent, 1) && !same(base, e())) return base;
  if (same(base, e())) return call("exp", {exponent});
  if (is_call(base, "exp")) return call("exp", {multiply({base->args[0], exponent})});
  if (is_number(base) && is_number(exponent)) {
    if (const auto v = exact_power(base->number, exponent->number)) return number(*v);
    if (base->number == 0 && exponent->number > 0) return number(0);
  }
  if (base->kind == Kind::power) return power_of_power(base, exponent);
  if (base->kind == Kind::product) return power_of_product(base, exponent);
  const std::array args = {base, exponent};
  for (const Identity& rule : call_rules()) {
    if (std::string_view(rule.of) != "^") continue;
    if (auto better = rule.apply(args)) return *better;
  }
  return power_node(base, exponent);
}

Expression call(const std::string& name, std::vector<Expression> args) {
  for (const Identity& rule : call_rules()) {
    if (name != rule.of) continue;
    if (auto better = rule.apply(args)) return *better;
  }
  std::string key = key_of(name.c_str(), args);
  return make({Kind::call, 0, name, std::move(args), std::move(key)});
}

Expression negative(const Expression& x) { return multiply({number(-1), x}); }

}  // namespace varve::transform::symbolic
