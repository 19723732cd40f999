// Einstein's sum as diagonals, sums, transposes, products and matrix products.
#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "ops/shape.h"
#include "varve/ops/contraction.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

// A name of an axis: a letter's code, or kDots + its place from the right among those of `...`.
using Label = int;
using Labels = std::vector<Label>;
constexpr Label kDots = 1000;

bool has(const Labels& labels, Label l) {
  return std::find(labels.begin(), labels.end(), l) != labels.end();
}

/// A tensor whose axes are named, each name once.
struct Term {
  Tensor t;
  Labels labels;

  int axis(Label l) const {
    return static_cast<int>(std::find(labels.begin(), labels.end(), l) - labels.begin());
  }
};

/// One side of an equation for one tensor: letters, and where `...` stands among them (-1: not).
struct Names {
  std::string letters;
  int dots = -1;
};

class Einsum {
 public:
  Einsum(std::string_view equation, const Tensors& operands, Where where)
      : equation_(equation), where_(where) {
    read(operands.size());
    for (size_t i = 0; i < operands.size(); ++i)
      terms_.push_back(named(operands[i], inputs_[i], i));
    find_sizes();
    find_output();
  }

  Tensor run() {
    for (Term& t : terms_) simplify(t);
    while (terms_.size() > 1) contract_cheapest_pair();
    Term& last = terms_[0];
    sum_out(last, [&](Label l) { return has(output_, l); });
    return permute(last, output_);
  }

 private:
  template <class E>
  [[noreturn]] void fail(const std::string& text) const {
    throw E("einsum: \"" + escaped(equation_) + "\": " + text, "", where_.to_string());
  }

  Names names(std::string_view text) const {
    Names n;
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (c == ' ') continue;
      if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        n.letters += c;
      } else if (text.substr(i, 3) == "..." && n.dots < 0) {
        n.dots = static_cast<int>(n.letters.size());
        i += 2;
      } else {
        fail<ValueError>("expected letters and at most one \"...\" an operand, got \"" +
                         escaped(std::string(text)) + "\"");
      }
    }
    return n;
  }

  void read(size_t operands) {
    const std::string_view all = equation_;
    const size_t arrow = all.find("->");
    std::string_view left = all.substr(0, arrow);
    for (size_t comma; (comma = left.find(',')) != left.npos; left = left.substr(comma + 1))
      inputs_.push_back(names(left.substr(0, comma)));
    inputs_.push_back(names(left));
    if (arrow != all.npos) explicit_ = names(all.substr(arrow + 2)), has_arrow_ = true;
    if (inputs_.size() != operands) {
      fail<ValueError>("names " + std::to_string(inputs_.size()) + " operands, got " +
                       std::to_string(operands));
    }
  }

  Term named(const Tensor& t, const Names& n, size_t which) {
    const int letters = static_cast<int>(n.letters.size()), more = t.rank() - letters;
    if (n.dots < 0 ? more != 0 : more < 0) {
      fail<ShapeError>("operand " + std::to_string(which) + " is " + t.shape().to_string() +
                       ", its axes are named \"" + n.letters + "\"");
    }
    Term term{t, {}};
    for (int i = 0; i <= letters; ++i) {
      if (i == n.dots) {
        for (int k = more; k-- > 0;) term.labels.push_back(kDots + k);
        dots_ = std::max(dots_, more);
      }
      if (i < letters) term.labels.push_back(n.letters[static_cast<size_t>(i)]);
    }
    return term;
  }

  void find_sizes() {
    for (const Term& term : terms_) {
      for (size_t i = 0; i < term.labels.size(); ++i) {
        const int64_t n = term.t.shape().dims()[i];
        int64_t& size = sizes_.emplace(term.labels[i], n).first->second;
        if (size == 1) size = n;
        if (n != size && n != 1) {
          const Label l = term.labels[i];
          fail<ShapeError>((l < kDots ? "axis \"" + std::string(1, static_cast<char>(l)) + "\""
                                      : std::string("an axis of \"...\"")) +
                           " is " + std::to_string(size) + " in one place and " +
                           std::to_string(n) + " in another");
        }
      }
    }
  }

  void find_output() {
    const auto add_dots = [&] {
      for (int k = dots_; k-- > 0;) output_.push_back(kDots + k);
    };
    if (!has_arrow_) {
      add_dots();
      std::map<char, int> count;
      for (const Names& n : inputs_) {
        for (char c : n.letters) ++count[c];
      }
      for (auto [c, times] : count) {
        if (times == 1) output_.push_back(c);
      }
      return;
    }
    for (int i = 0; i <= static_cast<int>(explicit_.letters.size()); ++i) {
      if (i == explicit_.dots) add_dots();
      if (i == static_cast<int>(explicit_.letters.size())) break;
      const char c = explicit_.letters[static_cast<size_t>(i)];
      if (!sizes_.contains(c))
        fail<ValueError>(std::string("output axis \"") + c + "\" is in no operand");
      if (has(output_, c))
        fail<ValueError>(std::string("output axis \"") + c + "\" is named twice");
      output_.push_back(c);
    }
  }

  /// Each name once (diagonals), and no axis of size 1 that is to broadcast.
  void simplify(Term& term) const {
    for (size_t i = 0; i < term.labels.size();) {
      const Label l = term.labels[i];
      const auto again =
          std::find(term.labels.begin() + static_cast<int64_t>(i) + 1, term.labels.end(), l);
      if (again == term.labels.end()) {
        ++i;
        continue;
      }
      const int a = static_cast<int>(i), b = static_cast<int>(again - term.labels.begin());
      if (term.t.shape()[a] != term.t.shape()[b]) {
        fail<ShapeError>(std::string("axis \"") + static_cast<char>(l) +
                         "\" is named twice in one operand, with sizes " +
                         std::to_string(term.t.shape()[a]) + " and " +
                         std::to_string(term.t.shape()[b]));
      }
      term.t = diagonal(term.t, {.axis1 = a, .axis2 = b});
      term.labels.erase(again);
      term.labels.erase(term.labels.begin() + a);
      term.labels.push_back(l);
    }
    ir::Ints flat;
    Labels kept;
    for (size_t i = 0; i < term.labels.size(); ++i) {
      if (term.t.shape().dims()[i] == 1 && sizes_.at(term.labels[i]) != 1) {
        flat.push_back(static_cast<int64_t>(i));
      } else {
        kept.push_back(term.labels[i]);
      }
    }
    term.t = ops::squeezed(term.t, flat);
    term.labels = kept;
  }

  template <class Keep>
  void sum_out(Term& term, Keep keep) const {
    std::vector<int> axes;
    Labels kept;
    for (size_t i = 0; i < term.labels.size(); ++i) {
      if (keep(term.labels[i])) {
        kept.push_back(term.labels[i]);
      } else {
        axes.push_back(static_cast<int>(i));
      }
    }
    if (axes.empty()) return;
    // sum widens integers; they wrap alike.
    term.t = cast(sum(term.t, {.axes = axes}), term.t.dtype());
    term.labels = kept;
  }

  Tensor permute(const Term& term, const Labels& order) const {
    ir::Ints axes;
    for (Label l : order) axes.push_back(term.axis(l));
    return ops::permuted(term.t, axes);
  }

  bool needed_beside(Label l, size_t i, size_t j) const {
    if (has(output_, l)) return true;
    for (size_t k = 0; k < terms_.size(); ++k) {
      if (k != i && k != j && has(terms_[k].labels, l)) return true;
    }
    return false;
  }

  double product_size(size_t i, size_t j) const {
    std::set<Label> left;
    for (size_t k : {i, j}) {
      for (Label l : terms_[k].labels) {
        if (needed_beside(l, i, j)) left.insert(l);
      }
    }
    double size = 1;
    for (Label l : left) size *= static_cast<double>(sizes_.at(l));
    return size;
  }

  void contract_cheapest_pair() {
    size_t first = 0, second = 1;
    double least = product_size(0, 1);
    for (size_t i = 0; i < terms_.size(); ++i) {
      for (size_t j = i + 1; j < terms_.size(); ++j) {
        const double size = product_size(i, j);
        if (size < least) least = size, first = i, second = j;
      }
    }
    Term a = terms_[first], b = terms_[second];
    const auto needed = [&](Label l) { return needed_beside(l, first, second); };
    sum_out(a, [&](Label l) { return needed(l) || has(b.labels, l); });
    sum_out(b, [&](Label l) { return needed(l) || has(a.labels, l); });
    Labels both, summed, left, right;
    for (Label l : a.labels) (!has(b.labels, l) ? left : needed(l) ? both : summed).push_back(l);
    for (Label l : b.labels) {
      if (!has(a.labels, l)) right.push_back(l);
    }
    terms_[first] = product(a, b, both, summed, left, right);
    terms_.erase(terms_.begin() + static_cast<int64_t>(second));
  }

  int64_t count(const Labels& labels) const {
    int64_t n = 1;
    for (Label l : labels) n *= sizes_.at(l);  // of axes of one tensor: no more than its size
    return n;
  }

  Term product(const Term& a, const Term& b, const Labels& both, const Labels& summed,
               const Labels& left, const Labels& right) const {
    Labels a_order = both, b_order = both, out = both;
    a_order.insert(a_order.end(), left.begin(), left.end());
    a_order.insert(a_order.end(), summed.begin(), summed.end());
    b_order.insert(b_order.end(), summed.begin(), summed.end());
    b_order.insert(b_order.end(), right.begin(), right.end());
    out.insert(out.end(), left.begin(), left.end());
    out.insert(out.end(), right.begin(), right.end());
    const int64_t rows = count(left), inner = count(summed), columns = count(right);
    // A plain product where there is no stack.
    const auto matrices = [&](int64_t m, int64_t n) {
      return both.empty() ? Shape{m, n} : Shape{count(both), m, n};
    };
    const Tensor p = ops::reshaped(permute(a, a_order), matrices(rows, inner)),
                 q = ops::reshaped(permute(b, b_order), matrices(inner, columns));
    // Where nothing is summed, the product of a column and a row broadcasts.
    const Tensor y = summed.empty() ? p * q : matmul(p, q);
    std::vector<int64_t> dims;
    for (Label l : out) dims.push_back(sizes_.at(l));
    return {ops::reshaped(y, Shape(std::move(dims))), out};
  }

  std::string equation_;
  Where where_;
  std::vector<Names> inputs_;
  Names explicit_;
  bool has_arrow_ = false;
  int dots_ = 0;
  std::vector<Term> terms_;
  std::map<Label, int64_t> sizes_;
  Labels output_;
};

}  // namespace

Tensor einsum(std::string_view equation, const Tensors& operands, Where where) {
  const ir::CallerScope caller(where);
  DType d = operands.size() ? operands[0].dtype() : f32;
  for (const Tensor& t : operands) d = promote(d, t.dtype());
  if (d == DType::bool_)
    throw DTypeError("einsum: bool has no arithmetic", "cast it first", where.to_string());
  std::vector<Tensor> cast_ones;
  for (const Tensor& t : operands) cast_ones.push_back(cast(Operand(t, where), d));
  return Einsum(equation, Tensors(std::move(cast_ones)), where).run();
}

}  // namespace varve
