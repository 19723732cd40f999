// Gather and scatter in plain loops over one addressing: out element e reads (or writes) x at
// base(e) plus, for each index component, index(e) * stride.
#include <algorithm>

#include "backend/ref/families.h"
#include "backend/ref/loops.h"

namespace varve::backend::ref {
namespace {

int64_t load_index(DType dtype, const void* p, int64_t at) {
  return ir::dispatch(dtype, [&]<class T>(T) -> int64_t {
    const T v = static_cast<const T*>(p)[at];
    if constexpr (std::is_same_v<T, uint64_t>) {
      return v > INT64_MAX ? INT64_MAX : static_cast<int64_t>(v);
    } else {
      return static_cast<int64_t>(v);
    }
  });
}

/// How the elements that are read or written lie. Axes from `outer` on do not depend on indices.
struct Addressing {
  DType index_type = i64;
  bool negative = true;
  Shape outer, inner;
  ir::Strides base_outer, base_inner;    ///< in x
  ir::Strides index_outer;               ///< in the index tensor
  ir::Strides order_outer;               ///< the same if it were row-major: for naming a fault
  int64_t component_step = 0;            ///< from one index component to the next
  ir::Strides component_strides;         ///< of x, for each component
  std::vector<int64_t> component_sizes;  ///< of x's axes
};

Addressing addressing(const ir::Attributes& how, const Layout& x, const Layout& indices) {
  const std::string& form = how.get<std::string>("form");
  const auto axis = static_cast<size_t>(how.integer("axis"));
  Addressing r;
  r.index_type = indices.dtype;
  r.negative = how.flag("negative");
  const std::vector<int64_t>&xd = x.shape.dims(), &id = indices.shape.dims();
  std::vector<int64_t> outer, inner;
  const ir::Strides order = ir::row_major(indices.shape);
  auto add_outer = [&](int64_t size, int64_t base, int64_t index, int64_t place) {
    outer.push_back(size);
    r.base_outer.push_back(base);
    r.index_outer.push_back(index);
    r.order_outer.push_back(place);
  };
  size_t index_axes = id.size(), first_inner = axis + 1;
  if (form == "nd") {
    const auto k = static_cast<size_t>(id.back());
    index_axes = id.size() - 1;
    first_inner = k;
    r.component_step = indices.strides.back();
    r.component_strides.assign(x.strides.begin(), x.strides.begin() + static_cast<int64_t>(k));
    r.component_sizes.assign(xd.begin(), xd.begin() + static_cast<int64_t>(k));
  } else {
    r.component_strides = {x.strides[axis]};
    r.component_sizes = {xd[axis]};
  }
  if (form == "take") {
    for (size_t i = 0; i < axis; ++i) add_outer(xd[i], x.strides[i], 0, 0);
  }
  for (size_t i = 0; i < index_axes; ++i) {
    const bool beside = form == "along" && i != axis;
    add_outer(id[i], beside ? x.strides[i] : 0, indices.strides[i], order[i]);
  }
  if (form == "along") first_inner = xd.size();
  for (size_t i = first_inner; i < xd.size(); ++i) {
    inner.push_back(xd[i]);
    r.base_inner.push_back(x.strides[i]);
  }
  r.outer = Shape(std::move(outer));
  r.inner = Shape(std::move(inner));
  return r;
}

/// Calls f(x offset, other offset) for every element that indices name, `other` being a tensor of
/// the gathered shape. Faults are noted as of input `which` and passed over.
template <class F>
void walk(const Addressing& r, const void* indices, const ir::Strides& other, Fault* fault,
          int which, F f) {
  const auto split = other.begin() + r.outer.rank();
  const ir::Strides other_outer(other.begin(), split), other_inner(split, other.end());
  const bool single = r.inner.size() == 1;
  for_each_element(
      r.outer, {&r.base_outer, &r.index_outer, &r.order_outer, &other_outer},
      [&](const int64_t* at) {
        int64_t place = at[0];
        for (size_t k = 0; k < r.component_sizes.size(); ++k) {
          const int64_t n = r.component_sizes[k], low = r.negative ? -n : 0;
          const int64_t step = static_cast<int64_t>(k);
          int64_t i = load_index(r.index_type, indices, at[1] + step * r.component_step);
          if (i < low || i >= n) {
            fault->note(which, at[2] + step, i, i >= 0 ? 0 : low, n - 1);
            return;
          }
          if (i < 0) i += n;
          place += i * r.component_strides[k];
        }
        if (single) {
          f(place, at[3]);
          return;
        }
        for_each_element(r.inner, {&r.base_inner, &other_inner}, [&](const int64_t* in_block) {
          f(place + in_block[0], at[3] + in_block[1]);
        });
      });
}

Offer prepare_gather(const Request& r) {
  const Addressing how = addressing(r.attributes, r.inputs[0], r.inputs[1]);
  const ir::Strides to = r.outputs[0].strides;
  return kernel([=, dtype = r.outputs[0].dtype](const Arguments& a) {
    dispatch_word(dtype, [&]<class T>(T) {
      const T* x = in<T>(a, 0);
      T* y = out<T>(a);
      walk(how, a.inputs[1], to, a.fault, 1, [&](int64_t from, int64_t at) { y[at] = x[from]; });
    });
  });
}

/// The output's addressing (its strides), and how the base is copied to it.
struct Scatter {
  Addressing how;
  Shape shape;
  ir::Strides base, to, updates;
  DType dtype;
};

Scatter scatter_of(const Request& r) {
  return {addressing(r.attributes, r.outputs[0], r.inputs[2]),
          r.outputs[0].shape,
          r.inputs[0].strides,
          r.outputs[0].strides,
          r.inputs[1].strides,
          r.outputs[0].dtype};
}

Offer prepare_scatter_set(const Request& r) {
  return kernel([s = scatter_of(r)](const Arguments& a) {
    dispatch_word(s.dtype, [&]<class T>(T) {
      const T *base = in<T>(a, 0), *u = in<T>(a, 1);
      T* y = out<T>(a);
      for_each_element(s.shape, {&s.base, &s.to},
                       [&](const int64_t* at) { y[at[1]] = base[at[0]]; });
      walk(s.how, a.inputs[2], s.updates, a.fault, 2,
           [&](int64_t to, int64_t at) { y[to] = u[at]; });
    });
  });
}

/// Adds in double (integers in 64 bits, bools as or) in row-major order of the updates.
template <class T>
void scatter_add(Scatter s, const Arguments& a) {
  using Wide = std::conditional_t<ir::is_float_element<T>, double, uint64_t>;
  const T *base = in<T>(a, 0), *u = in<T>(a, 1);
  T* y = out<T>(a);
  std::vector<Wide> total(static_cast<size_t>(s.shape.size()));
  size_t n = 0;
  for_each_element(s.shape, {&s.base},
                   [&](const int64_t* at) { total[n++] = static_cast<Wide>(base[at[0]]); });
  walk(s.how, a.inputs[2], s.updates, a.fault, 2,
       [&](int64_t to, int64_t at) { total[static_cast<size_t>(to)] += static_cast<Wide>(u[at]); });
  n = 0;
  for_each_element(s.shape, {&s.to}, [&](const int64_t* at) { y[at[0]] = convert<T>(total[n++]); });
}

Offer prepare_scatter_add(const Request& r) {
  Scatter s = scatter_of(r);
  Layout dense = r.outputs[0];
  dense.strides = ir::row_major(dense.shape);
  s.how = addressing(r.attributes, dense, r.inputs[2]);
  return kernel([s](const Arguments& a) {
    ir::dispatch(s.dtype, [&]<class T>(T) { scatter_add<T>(s, a); });
  });
}

/// Combines in the order of the updates; products in double (integers in 64 bits).
template <class T, class Wide, class F>
void scatter_combined(const Scatter& s, const Arguments& a, F combine) {
  const T *base = in<T>(a, 0), *u = in<T>(a, 1);
  T* y = out<T>(a);
  std::vector<Wide> total(static_cast<size_t>(s.shape.size()));
  size_t n = 0;
  for_each_element(s.shape, {&s.base},
                   [&](const int64_t* at) { total[n++] = static_cast<Wide>(base[at[0]]); });
  walk(s.how, a.inputs[2], s.updates, a.fault, 2, [&](int64_t to, int64_t at) {
    Wide& value = total[static_cast<size_t>(to)];
    value = combine(value, static_cast<Wide>(u[at]));
  });
  n = 0;
  for_each_element(s.shape, {&s.to}, [&](const int64_t* at) { y[at[0]] = convert<T>(total[n++]); });
}

template <class T>
void scatter_reduce(const Scatter& s, std::string_view op, const Arguments& a) {
  if (op == "scatter_multiply") {
    using Wide = std::conditional_t<ir::is_float_element<T>, double, uint64_t>;
    scatter_combined<T, Wide>(s, a, [](Wide p, Wide q) { return p * q; });
    return;
  }
  using Wide =
      std::conditional_t<ir::is_float_element<T>, double,
                         std::conditional_t<std::is_same_v<T, uint64_t>, uint64_t, int64_t>>;
  // NaN goes through.
  if (op == "scatter_max") {
    scatter_combined<T, Wide>(s, a, [](Wide p, Wide q) { return p >= q || p != p ? p : q; });
  } else {
    scatter_combined<T, Wide>(s, a, [](Wide p, Wide q) { return p <= q || p != p ? p : q; });
  }
}

Offer prepare_scatter_reduce(const Request& r) {
  Scatter s = scatter_of(r);
  Layout dense = r.outputs[0];
  dense.strides = ir::row_major(dense.shape);
  s.how = addressing(r.attributes, dense, r.inputs[2]);
  return kernel([s, op = std::string_view(r.op.name)](const Arguments& a) {
    ir::dispatch(s.dtype, [&]<class T>(T) { scatter_reduce<T>(s, op, a); });
  });
}

Offer prepare_one_hot(const Request& r) {
  const Layout indices = r.inputs[0], y = r.outputs[0];
  const int64_t classes = r.attributes.integer("classes");
  return kernel([=](const Arguments& a) {
    ir::dispatch(y.dtype, [&]<class T>(T) {
      const ir::Strides rows(y.strides.begin(), y.strides.end() - 1);
      const int64_t step = y.strides.back();
      int64_t position = 0;
      for_each_element(indices.shape, {&indices.strides, &rows}, [&](const int64_t* at) {
        const int64_t i = load_index(indices.dtype, a.inputs[0], at[0]);
        if (i < 0 || i >= classes) a.fault->note(0, position, i, 0, classes - 1);
        ++position;
        T* row = out<T>(a) + at[1];
        for (int64_t c = 0; c < classes; ++c) row[c * step] = convert<T>(c == i);
      });
    });
  });
}

}  // namespace

std::vector<KernelRow> indexing_kernels() {
  std::vector<KernelRow> rows = {
      {"take", "ref take", prepare_gather},
      {"take_along_axis", "ref take_along_axis", prepare_gather},
      {"gather_nd", "ref gather_nd", prepare_gather},
      {"scatter_set", "ref scatter_set", prepare_scatter_set},
      {"scatter_add", "ref scatter_add", prepare_scatter_add},
      {"scatter_multiply", "ref scatter_multiply", prepare_scatter_reduce},
      {"scatter_max", "ref scatter_max", prepare_scatter_reduce},
      {"scatter_min", "ref scatter_min", prepare_scatter_reduce},
      {"one_hot", "ref one_hot", prepare_one_hot}};
  for (const KernelRow& row : order_kernels()) rows.push_back(row);
  return rows;
}

}  // namespace varve::backend::ref
