// How expressions are written: sums by falling degree, constants last, a positive term first;
// products as number, symbols, functions, sums; negative powers below a fraction line.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "transform/symbolic.h"

namespace varve::transform::symbolic {
namespace {

/// What may stand around a text without parentheses.
enum Level { kComparison, kSum, kProduct, kPower, kAtom };

struct Text {
  std::string text;
  Level level = kAtom;
};

Text text_of(const Expression& x);

std::string inside(const Text& t, Level least) {
  return t.level < least ? "(" + t.text + ")" : t.text;
}

std::string plain_number(double v) {
  char text[40];
  const bool whole = std::abs(v) < 1e15 && v == std::nearbyint(v);
  const auto end = whole ? std::to_chars(text, text + sizeof text, static_cast<int64_t>(v)).ptr
                         : std::to_chars(text, text + sizeof text, v).ptr;
  return std::string(text, end);
}

/// p / q for a small q, q = 1 where it is none.
std::pair<double, int> fraction(double v) {
  constexpr int kLargestDenominator = 9;
  for (int q = 2; q <= kLargestDenominator; ++q) {
    const double p = std::nearbyint(v * q);
    if (v != std::nearbyint(v) && p / q == v) return {p, q};
  }
  return {v, 1};
}

Text number_text(double v) {
  const auto [p, q] = fraction(v);
  if (q == 1) return {plain_number(p), p < 0 ? kSum : kAtom};
  return {plain_number(p) + "/" + std::to_string(q), p < 0 ? kSum : kProduct};
}

Text power_text(const Expression& base, const Expression& exponent) {
  if (is_number(exponent, 1)) return text_of(base);
  if (is_number(exponent, 0.5)) return {"sqrt(" + text_of(base).text + ")"};
  // a^b^c is read both ways, so neither side is a power.
  return {inside(text_of(base), kAtom) + "^" + inside(text_of(exponent), kAtom), kPower};
}

/// Symbols stand before functions, these before sums.
int rank_of(const Expression& base) {
  if (is_number(base)) return 0;
  if (base->kind == Kind::symbol) return 1;
  return base->kind == Kind::sum ? 3 : 2;
}

std::string joined(std::vector<std::pair<int, std::string>> parts) {
  std::sort(parts.begin(), parts.end());
  std::string out;
  for (const auto& [rank, text] : parts) out += (out.empty() ? "" : "*") + text;
  return out;
}

/// A product without its sign; above and below the line.
Text product_text(double factor, const std::vector<Expression>& factors) {
  std::vector<std::pair<int, std::string>> above, below;
  const auto [p, q] = fraction(std::abs(factor));
  if (p != 1) above.emplace_back(-1, plain_number(p));
  if (q != 1) below.emplace_back(-1, std::to_string(q));
  for (const Expression& f : factors) {
    const Raised r = f->kind == Kind::power ? raised(f) : Raised{f, number(1)};
    const bool under = is_number(r.exponent) && r.exponent->number < 0;
    const Text t =
        under ? power_text(r.base, negative(r.exponent)) : power_text(r.base, r.exponent);
    (under ? below : above).emplace_back(rank_of(r.base), inside(t, kPower));
  }
  const bool alone = above.size() == 1 && below.empty();
  if (alone) return {above[0].second, kPower};
  const std::string top = above.empty() ? "1" : joined(above);
  if (below.empty()) return {top, kProduct};
  const std::string bottom = joined(below);
  return {top + "/" + (below.size() > 1 ? "(" + bottom + ")" : bottom), kProduct};
}

struct Signed {
  bool minus = false;
  std::string text;
};

Signed signed_term(const Expression& x) {
  if (is_number(x)) return {x->number < 0, number_text(std::abs(x->number)).text};
  if (x->kind == Kind::power) return {false, product_text(1, {x}).text};
  if (x->kind != Kind::product) return {false, inside(text_of(x), kProduct)};
  const bool numbered = is_number(x->args[0]);
  const double factor = numbered ? x->args[0]->number : 1;
  const std::vector<Expression> rest(x->args.begin() + (numbered ? 1 : 0), x->args.end());
  return {factor < 0, product_text(factor, rest).text};
}

/// The sum of the numeric exponents of symbols; numbers stand last.
double degree(const Expression& term) {
  if (is_number(term)) return -HUGE_VAL;
  if (!term->finite) return 0;
  double sum = 0;
  for (const Expression& f : factors_of(term)) {
    const Raised r = raised(f);
    if (r.base->kind == Kind::symbol && is_number(r.exponent)) sum += r.exponent->number;
  }
  return sum;
}

Text sum_text(const Expression& x) {
  struct Term {
    double degree;
    Signed text;
  };
  std::vector<Term> terms;
  for (const Expression& t : x->args) terms.push_back({degree(t), signed_term(t)});
  std::sort(terms.begin(), terms.end(), [](const Term& a, const Term& b) {
    if (a.degree != b.degree) return a.degree > b.degree;
    if (a.text.text != b.text.text) return a.text.text < b.text.text;
    return a.text.minus < b.text.minus;
  });
  const auto positive =
      std::find_if(terms.begin(), terms.end(), [](const Term& t) { return !t.text.minus; });
  if (positive != terms.end()) std::rotate(terms.begin(), positive, positive + 1);
  std::string out;
  for (const Term& t : terms) {
    out += out.empty() ? (t.text.minus ? "-" : "") : (t.text.minus ? " - " : " + ");
    out += t.text.text;
  }
  return {out, kSum};
}

Text call_text(const Expression& x) {
  static const std::map<std::string, const char*> kInfix{
      {"equal", " == "},        {"not_equal", " != "}, {"less", " < "},
      {"less_equal", " <= "},   {"greater", " > "},    {"greater_equal", " >= "},
      {"logical_and", " and "}, {"logical_or", " or "}};
  if (const auto infix = kInfix.find(x->name); infix != kInfix.end() && x->args.size() == 2) {
    return {inside(text_of(x->args[0]), kSum) + infix->second + inside(text_of(x->args[1]), kSum),
            kComparison};
  }
  std::string out;
  for (const Expression& a : x->args) {
    const std::string text = text_of(a).text;
    if (!text.empty()) out += (out.empty() ? "" : ", ") + text;
  }
  return {x->name + "(" + out + ")"};
}

Text text_of(const Expression& x) {
  switch (x->kind) {
    case Kind::number:
      return number_text(x->number);
    case Kind::symbol:
      return {x->name};
    case Kind::sum:
      return sum_text(x);
    case Kind::call:
      return call_text(x);
    default:
      break;
  }
  const Signed s = signed_term(x);
  if (s.minus) return {"-" + s.text, kSum};
  if (x->kind == Kind::power) return product_text(1, {x});
  return {s.text, kProduct};
}

}  // namespace

std::string to_text(const Expression& x) { return text_of(x).text; }

}  // namespace varve::transform::symbolic
