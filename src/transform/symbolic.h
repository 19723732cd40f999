// Expressions in a normal form, for formulas that people read. A graph's additions have two inputs;
// here a sum has any number of terms and a product any number of powers, each once and in one
// order, so that equal expressions have equal keys and like terms meet.
//   (x * 3 + y) - x * 2   ->   sum {x, y};   x / sqrt(x)   ->   power {x, 1/2}
// Where an infinity or NaN stands, nothing meets: inf - inf and 0 * inf stay as they are.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace varve::transform::symbolic {

enum class Kind { number, symbol, sum, product, power, call };

struct Node;
using Expression = std::shared_ptr<const Node>;

/// Made by the functions below alone, which keep the normal form:
///   sum      two or more terms, none a sum or a number times a sum; at most one number
///   product  a number other than 1, where there is one, then powers of different bases
///   power    args: base, exponent
struct Node {
  Kind kind = Kind::number;
  double number = 0;
  std::string name;  ///< of a symbol, or the function that is called
  std::vector<Expression> args;
  std::string key;     ///< equal for equal expressions alone, which texts may be without that
  bool finite = true;  ///< no infinity or NaN stands in it
};

/// Snapped to a fraction of small terms where it is one but for rounding.
Expression number(double value);
/// What a symbol is beside its text.
struct Beside {
  std::string key;  ///< keeps symbols of one text apart
  bool finite = true;
};
/// One without a text is not written, but keeps the calls apart that it is an argument of.
Expression symbol(std::string name, const Beside& beside = {});
Expression add(const std::vector<Expression>& terms);
Expression multiply(const std::vector<Expression>& factors);
Expression power(const Expression& base, const Expression& exponent);
/// A function's value, by the identities of `call_rules` where one applies.
Expression call(const std::string& name, std::vector<Expression> args);
Expression negative(const Expression& x);

bool is_number(const Expression& x);
bool is_number(const Expression& x, double value);
bool is_integer(const Expression& x);
bool is_call(const Expression& x, std::string_view name);
inline bool same(const Expression& a, const Expression& b) { return a->key == b->key; }
/// The number in front, 1 where there is none; and the rest.
struct Scaled {
  double factor = 1;
  Expression rest;
};
Scaled scaled(const Expression& x);
/// x as base and exponent: exp(u) is a power of e.
struct Raised {
  Expression base, exponent;
};
Raised raised(const Expression& x);
/// The factors of a product, x itself otherwise; the terms of a sum likewise.
std::vector<Expression> factors_of(const Expression& x);
std::vector<Expression> terms_of(const Expression& x);

/// A row: what it does in one line, the function that it looks at ("+": terms of a sum, "*":
/// factors of a product), and the function; nullopt: does not apply. Rows hold where both sides are
/// defined, but not to the last digit, and are for formulas alone: the compiler's rules are those
/// of rewrite.h.
struct Identity {
  const char* name;
  const char* of;
  std::optional<Expression> (*apply)(std::span<const Expression> args);
};
std::span<const Identity> call_rules();
std::span<const Identity> sum_rules();
std::span<const Identity> product_rules();
/// Tried on the finished expression, where the text becomes shorter: common factors and
/// denominators taken out of sums.
Expression shortest(const Expression& x);

/// "cos(x)*exp(sin(x))", "-2*x/(x^2 + 1)^2".
std::string to_text(const Expression& x);

}  // namespace varve::transform::symbolic
