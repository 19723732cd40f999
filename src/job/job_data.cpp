#include "job/job_data.h"

#include <algorithm>
#include <tuple>

#include "base/count.h"
#include "base/error.h"
#include "data/arrays.h"
#include "data/image_preparation.h"
#include "data/table_state.h"
#include "formats/file.h"
#include "formats/idx.h"
#include "formats/npy.h"
#include "formats/sha256.h"
#include "formats/text.h"
#include "varve/files.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::job {
namespace {

using config::Json;
using formats::Array;

// Labels above this are no classes but numbers.
constexpr int64_t kMostClasses = 100000;

Tensor to_tensor(Array array, const Shape& shape) {
  array.shape = shape;
  return data::to_tensor(array);
}

// What the library says of options goes to the place of the job file that they stand in.
template <class F>
auto blame(const Job& job, const char* place, F&& f) {
  const auto fail = [&](const Error& e) {
    job.fail(std::string(place) + ": " + e.message(), e.hint());
  };
  try {
    return f();
  } catch (const ValueError& e) {
    fail(e);
    throw;
  } catch (const ShapeError& e) {
    fail(e);
    throw;
  }
}

// Whether what the model is judged on is a part of the data that it is trained on.
bool is_split(const Job& job) {
  return !job.data.own_test() && (job.data.split.test > 0 || job.data.split.validation > 0);
}

SplitRecord record_of(const Job& job) {
  return {.split = job.data.split, .seed = static_cast<int64_t>(job.seed)};
}

// ---- Tables

void require_column(const Job& job, const Table& table, const std::string& path,
                    const std::string& column, const std::string& file) {
  if (table.has(column)) return;
  std::string all;
  for (const std::string& c : table.columns()) all += (all.empty() ? "" : ", ") + escaped(c);
  const std::string near = closest(column, table.columns());
  job.fail(path + ": column " + formats::in_quotes(column) + " not found in " +
               formats::shown(file) + "; columns: " + escaped(all, 1000),
           near.empty() ? "" : "did you mean \"" + escaped(near) + "\"?");
}

JobData load_csv(const Job& job) {
  const CsvData& csv = job.data.csv;
  TableReadOptions read = csv.read;
  for (const auto& [name, column] : csv.columns) {
    if (column.kind == "category") read.text.push_back(name);
  }
  const std::string path = job.resolve(csv.path);
  const Table table = Table::read(path, read);
  require_column(job, table, "data.target", csv.target, path);
  for (const auto& [name, column] : csv.columns) {
    require_column(job, table, "data.columns." + name, name, path);
  }
  const TableOptions options{.target = csv.target,
                             .columns = csv.columns,
                             .target_kind = job.classification() ? "class" : "number"};
  const formats::CsvTable& cells = table.state()->csv;
  if (!job.classification()) {
    try {
      cells.require_number(cells.column(csv.target));
    } catch (const FormatError& e) {
      job.fail("data.target: " + e.message(),
               job.train.loss.name() + " takes numbers; cross_entropy tells classes apart");
    }
  }
  TableData parts = blame(job, "data", [&] {
    return prepare_table(table, options,
                         {.validation = job.data.split.validation,
                          .test = job.data.split.test,
                          .stratify = job.data.split.stratify,
                          .seed = job.seed});
  });
  JobData out{.train = parts.train, .class_names = parts.preprocessing.class_names()};
  if (parts.validation.size() > 0) out.validation = parts.validation;
  if (parts.test.size() > 0) out.test = parts.test;
  out.table = table;
  if (!csv.test_path.empty()) {
    out.table = parts.preprocessing.read(job.resolve(csv.test_path));
    out.test = parts.preprocessing.dataset(*out.table);
  }
  out.record = record_of(job);
  if (is_split(job)) out.record.data = formats::sha256_file(path);
  return out;
}

// ---- Arrays

// With the number of classes, or 0.
std::pair<Tensor, int64_t> targets_of(const Array& array, const std::string& name,
                                      bool classification) {
  const Tensor y = to_tensor(array, array.shape);
  if (!classification) {
    const Tensor numbers = cast(y, f32);
    return {(y.rank() == 1 ? reshape(numbers, {-1, 1}) : numbers).evaluate(), 0};
  }
  if (y.rank() == 2 && y.shape()[1] > 1) return {cast(y, f32).evaluate(), y.shape()[1]};
  if (!is_integer(y.dtype())) {
    throw FormatError(name + ": expected integers (classes) or one-hot rows, got " +
                      std::string(name_of(y.dtype())) + y.shape().to_string());
  }
  const std::vector<int64_t> labels = Dataset(y, y).classes();
  if (labels.empty()) throw FormatError(name + ": no labels");
  const auto [least, greatest] = std::minmax_element(labels.begin(), labels.end());
  if (*least < 0 || *greatest >= kMostClasses) {
    throw FormatError(name + ": expected classes 0.." + std::to_string(kMostClasses - 1) +
                      ", got " + std::to_string(*least < 0 ? *least : *greatest));
  }
  return {reshape(y, {-1}).evaluate(), *greatest + 1};
}

Dataset joined(const Dataset& inputs, const Tensor& targets, std::vector<std::string> class_names,
               const std::string& name) {
  const int64_t n = inputs.size(), labels = targets.shape()[0];
  if (n != labels) {
    throw FormatError(name + ": " + count_of(labels, "item") + ", inputs: " + std::to_string(n));
  }
  DatasetOptions options{.class_names = std::move(class_names),
                         .preprocessing = inputs.preprocessing()};
  options.prepare = [inputs](const Tensors& x) { return inputs.prepare(x); };
  return Dataset(inputs.stored_inputs(), targets, std::move(options));
}

std::string checksum_of(const Dataset& data) {
  formats::Sha256 hash;
  for (const Tensors& tensors : {data.stored_inputs(), data.stored_targets()}) {
    for (const Tensor& x : tensors) hash.update(data::to_array(x).bytes.span());
  }
  return hash.hex();
}

// Splits test and validation part off the training part.
void split_parts(const Job& job, JobData& out) {
  const Split& split = job.data.split;
  out.record = record_of(job);
  if (is_split(job)) out.record.data = checksum_of(out.train);
  const SplitOptions how{.seed = job.seed, .stratify = split.stratify};
  const auto split_off = [&](double share) {
    const TrainTest parts =
        blame(job, "data.split", [&] { return varve::split(out.train, share, how); });
    out.train = parts.train;
    return parts.test;
  };
  if (split.test > 0) out.test = split_off(split.test);
  if (split.validation > 0) out.validation = split_off(split.validation / (1 - split.test));
}

struct ArrayPart {
  Array inputs, targets;
  std::string targets_name;
};

JobData split_arrays(const Job& job, const ArrayPart& train, const std::optional<ArrayPart>& test,
                     const std::string& scale) {
  const bool classification = job.classification();
  const double by = scale == "unit" ? 255 : 1;
  const auto [y, classes] = targets_of(train.targets, train.targets_name, classification);
  JobData out;
  Tensor test_y;
  int64_t test_classes = 0;
  if (test)
    std::tie(test_y, test_classes) = targets_of(test->targets, test->targets_name, classification);
  for (int64_t c = 0; c < std::max(classes, test_classes); ++c)
    out.class_names.push_back(std::to_string(c));
  out.train = joined(inputs_of(train.inputs, by), y, out.class_names, train.targets_name);
  if (test)
    out.test = joined(inputs_of(test->inputs, by), test_y, out.class_names, test->targets_name);
  split_parts(job, out);
  return out;
}

ArrayPart read_pair(const Job& job, const std::string& images, const std::string& labels) {
  const std::string labels_path = job.resolve(labels);
  formats::LabelledImages part = formats::read_idx_pair(job.resolve(images), labels_path);
  return {std::move(part.images), std::move(part.labels), formats::shown(labels_path)};
}

JobData load_idx(const Job& job) {
  const IdxData& idx = job.data.idx;
  const ArrayPart train = read_pair(job, idx.images, idx.labels);
  std::optional<ArrayPart> test;
  if (!idx.test_images.empty()) test = read_pair(job, idx.test_images, idx.test_labels);
  return split_arrays(job, train, test, idx.scale);
}

JobData load_npz(const Job& job) {
  const NpzData& npz = job.data.npz;
  const std::string path = job.resolve(npz.path);
  const formats::NpzFile file = formats::NpzFile::open(path);
  const auto read = [&](const std::string& name, const char* key) {
    if (!file.contains(name)) {
      job.fail(std::string("data.") + key + ": " + formats::shown(path) + " has no array " +
                   formats::in_quotes(name),
               did_you_mean(name, file.names()));
    }
    return file.read(name);
  };
  const auto part = [&](const std::string& inputs, const char* inputs_key,
                        const std::string& targets, const char* targets_key) {
    return ArrayPart{read(inputs, inputs_key), read(targets, targets_key),
                     formats::shown(path) + ": " + escaped(targets)};
  };
  const ArrayPart train = part(npz.inputs, "inputs", npz.targets, "targets");
  std::optional<ArrayPart> test;
  if (!npz.test_inputs.empty()) {
    test = part(npz.test_inputs, "test_inputs", npz.test_targets, "test_targets");
  }
  return split_arrays(job, train, test, npz.scale);
}

JobData load_image_folder(const Job& job) {
  const ImageFolderData& folder = job.data.image_folder;
  JobData out;
  out.train = blame(job, "data", [&] {
    return datasets::image_folder(job.resolve(folder.path),
                                  {.height = folder.image_size[0],
                                   .width = folder.image_size[1],
                                   .channels = folder.channels,
                                   .on_bad_sample = folder.on_bad_sample});
  });
  out.class_names = out.train.class_names();
  split_parts(job, out);
  return out;
}

}  // namespace

TargetPlaces places_of_targets(const Job& job, bool test) {
  const bool own = test && job.data.own_test();
  const auto file = [&](const std::string& path) { return formats::shown(job.resolve(path)); };
  if (job.data.kind == "csv") {
    const CsvData& csv = job.data.csv;
    return {"data.target",
            file(own ? csv.test_path : csv.path) + " column " + formats::in_quotes(csv.target)};
  }
  if (job.data.kind == "npz") {
    const NpzData& npz = job.data.npz;
    return {own ? "data.test_targets" : "data.targets",
            file(npz.path) + " array " + formats::in_quotes(own ? npz.test_targets : npz.targets)};
  }
  if (job.data.kind == "idx") {
    const IdxData& idx = job.data.idx;
    return {own ? "data.test_labels" : "data.labels", file(own ? idx.test_labels : idx.labels)};
  }
  return {"data.path", "the folders of " + file(job.data.image_folder.path)};
}

Dataset inputs_of(const formats::Array& array, double divide_by) {
  std::vector<int64_t> dims = array.shape.dims();
  if (dims.empty()) throw ShapeError("inputs: expected samples along the first axis, got a scalar");
  const bool bytes = array.dtype == u8;
  if (dims.size() == 3 && bytes) dims.push_back(1);
  const bool pictures = bytes && dims.size() == 4 && (dims[3] == 1 || dims[3] == 3);
  DatasetOptions options;
  if (pictures) {
    const data::ImagePreparation preparation{
        .height = dims[1], .width = dims[2], .channels = dims[3], .divide_by = divide_by};
    options.preprocessing = preparation.to_json();
    options.prepare = preparation.prepare();
  } else if (bytes) {
    const data::ImagePreparation preparation{.divide_by = divide_by};
    options.preprocessing = preparation.to_json();
    options.prepare = preparation.prepare();
  } else if (is_floating(array.dtype) && array.dtype != f32) {
    options.prepare = [](const Tensors& x) { return Tensors(cast(x.only(), f32)); };
  }
  return Dataset(to_tensor(array, Shape(dims)), {}, std::move(options));
}

Dataset with_targets(const Dataset& inputs, const formats::Array& targets, bool classification,
                     const std::string& name) {
  return joined(inputs, targets_of(targets, name, classification).first, {}, name);
}

JobData load_data(const Job& job) {
  const std::string& kind = job.data.kind;
  JobData out = kind == "csv"   ? load_csv(job)
                : kind == "idx" ? load_idx(job)
                : kind == "npz" ? load_npz(job)
                                : load_image_folder(job);
  if (out.train.size() == 0) job.fail("data: training set is empty");
  return out;
}

void SplitRecord::fields(Fields& f) {
  split.fields(f);
  f("seed", seed, "Of the split.", {.min = 0});
  f("data", data, "SHA-256 of what was split.");
}

std::string SplitRecord::to_json() const {
  SplitRecord copy = *this;
  return config::write(kSplitKey, [&](Fields& f) { copy.fields(f); }).dump();
}

SplitRecord SplitRecord::from_json(const std::string& json) {
  SplitRecord out;
  try {
    config::read(config::parse(json, kSplitKey), kSplitKey, [&](Fields& f) { out.fields(f); });
  } catch (const ConfigError& e) {
    throw FormatError(e.message(), e.hint());
  }
  return out;
}

}  // namespace varve::job
