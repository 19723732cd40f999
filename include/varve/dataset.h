// room: data
// Datasets, loaders, splits and the data sets that come with Varve.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "varve/tensor.h"

namespace varve {

namespace detail {
struct DatasetState;
struct LoaderState;
}  // namespace detail

/// Some examples, taken together.
struct Batch {
  Tensors inputs, targets;
  Tensor weights;  ///< f32 [batch], or holding nothing: all weigh the same

  /// The only input, the only target. Throw ValueError where there are several or none.
  const Tensor& x() const { return inputs.only(); }
  const Tensor& y() const { return targets.only(); }  ///< see x
  /// How many examples.
  int64_t size() const { return inputs[0].shape()[0]; }
};

/// A function over the inputs of a batch, written with operations: it runs inside the compiled
/// step.
using Preparation = std::function<Tensors(const Tensors& inputs)>;

struct DatasetOptions {
  Tensor weights = {};                        ///< f32 [n]: how much each example counts
  std::vector<std::string> class_names = {};  ///< of classes 0, 1, ... of the (first) target
  Preparation prepare = {};                   ///< applied to every batch: scaling of raw pixels
  /// How raw input (a picture, a row of a table) becomes what the model sees, as JSON. `fit` puts
  /// it into the model, and so into its file.
  std::string preprocessing = {};
};

/// Examples in memory: input and target tensors that share their first axis. Copies, subsets and
/// splits share the elements.
class Dataset {
 public:
  /// No examples.
  Dataset();
  /// Throws ShapeError where first axes differ or a tensor is a scalar.
  Dataset(Tensors inputs, Tensors targets = {}, DatasetOptions options = {});

  int64_t size() const;
  /// Empty where none were given.
  const std::vector<std::string>& class_names() const;
  /// See DatasetOptions; empty after `map`, which it would not know of.
  const std::string& preprocessing() const;
  /// The examples at these positions, in this order. Throws IndexError.
  Dataset subset(std::span<const int64_t> positions) const;
  Dataset subset(const std::vector<int64_t>& positions) const {
    return subset(std::span<const int64_t>(positions));
  }
  /// The first n, and all but the first n; n is cut at size(). Throws ValueError below 0.
  Dataset take(int64_t n) const;
  Dataset skip(int64_t n) const;  ///< see take
  /// With a function applied to the inputs of every batch, after those already there:
  /// `images.map([](const Tensors& x) { return Tensors(x.only() / 255); })`.
  Dataset map(Preparation f) const;
  /// The inputs alone.
  Dataset without_targets() const;
  /// With weights, f32 [size()], by position: of an example that stands twice each copy has its
  /// own. Throws ShapeError.
  Dataset weighted(const Tensor& weights) const;

  /// The examples at these positions as a batch, prepared. Throws IndexError.
  Batch batch(std::span<const int64_t> positions) const;
  Batch batch(const std::vector<int64_t>& positions) const {
    return batch(std::span<const int64_t>(positions));
  }
  /// All of them.
  Batch all() const;

  /// What compiled steps gather from: the tensors as stored, and which of their rows are the
  /// examples, in order.
  const Tensors& stored_inputs() const;
  const Tensors& stored_targets() const;  ///< see stored_inputs
  std::span<const int64_t> rows() const;  ///< see stored_inputs
  /// f32 [size()], by position; holding nothing where none were given.
  const Tensor& weights() const;
  /// Applies the functions given to `map` and `DatasetOptions::prepare`.
  Tensors prepare(const Tensors& stored_inputs) const;
  /// The rows at these positions as stored, not prepared.
  Batch stored_batch(std::span<const int64_t> positions) const;
  /// The integer classes of the only target ([n] or [n, 1]); of one-hot rows the largest. Throws
  /// ValueError where the target is none of these.
  std::vector<int64_t> classes() const;

 private:
  explicit Dataset(std::shared_ptr<const detail::DatasetState> state);
  std::shared_ptr<const detail::DatasetState> state_;
};

/// A data set in its two parts.
struct TrainTest {
  Dataset train, test;
};

struct SplitOptions {
  bool shuffle = true;  ///< false: the last examples are the test part, as in Keras
  uint64_t seed = 0;
  bool stratify = false;  ///< each class is split in the same proportion
};
/// Splits off a part for testing: `round(fraction * size)` examples; with `stratify` each class by
/// the largest remainder method, so that the total is the same. Order is kept within the parts.
/// Throws ValueError unless 0 < fraction < 1 and both parts get an example.
TrainTest split(const Dataset& dataset, Real test_fraction, SplitOptions options = {});

struct FoldOptions {
  bool shuffle = true;
  uint64_t seed = 0;
  bool stratify = false;
};
/// k ways to split into train and test, each example being in exactly one test part; sizes of the
/// parts differ by one at most. Throws ValueError unless 2 <= k <= size.
std::vector<TrainTest> k_fold(const Dataset& dataset, Dim k, FoldOptions options = {});

/// The numbers 0..n-1 in an order that is a pure function of (seed, stream).
std::vector<int64_t> permutation(int64_t n, uint64_t seed, uint64_t stream = 0);

struct LoaderOptions {
  Dim batch_size = 32;
  bool shuffle = false;
  uint64_t seed = 0;
  bool drop_last = false;  ///< leave out the last batch where it is smaller
  Dim prefetch = 2;        ///< batches made ahead by a thread of its own; 0: none
};

/// Walks over a dataset in batches, epoch after epoch. The order of epoch e is a pure function of
/// (seed, e), so a position says all that is needed to go on.
class Loader {
 public:
  /// Where a walk stands: `batch` is the next one of `epoch`, both from 0.
  struct Position {
    int64_t epoch = 0, batch = 0;
    bool operator==(const Position&) const = default;
  };
  /// Gives the batches of one epoch in turn; valid as long as the loader.
  class iterator {
   public:
    const Batch& operator*() const;
    const Batch* operator->() const { return &**this; }
    iterator& operator++();
    bool operator!=(const iterator& other) const { return loader_ != other.loader_; }

   private:
    friend class Loader;
    explicit iterator(detail::LoaderState* loader) : loader_(loader) {}
    detail::LoaderState* loader_;
  };

  /// Throws ValueError for a batch size below 1.
  explicit Loader(const Dataset& dataset, LoaderOptions options = {});

  /// Batches in an epoch.
  int64_t size() const;
  /// The batch that comes next.
  Position position() const;
  /// Goes on from there. Throws IndexError.
  void seek(Position position);
  /// The positions of the dataset in the order of an epoch.
  std::vector<int64_t> order(int64_t epoch) const;
  /// One epoch, from the position on; at its end the position is the next epoch's first batch. An
  /// exception in a batch's making is thrown here.
  iterator begin();
  iterator end() { return iterator(nullptr); }

 private:
  std::shared_ptr<detail::LoaderState> state_;
};

namespace datasets {

/// MNIST, 60,000 and 10,000 handwritten digits: inputs f32 [28, 28, 1] in 0..1 (stored as u8 and
/// scaled per batch), targets u8, class names "0".."9". Reads the four IDX files, gzip or plain, of
/// `directory`; where that is empty, of $VARVE_DATA/mnist, of $VARVE_DATA, or of data/mnist in the
/// source tree. Throws IoError that names the public source, the format and the checksums;
/// FormatError where images and labels do not belong together.
TrainTest mnist(std::string_view directory = "");

}  // namespace datasets
}  // namespace varve
