#include "job/apply.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "base/error.h"
#include "data/arrays.h"
#include "data/table_state.h"
#include "formats/file.h"
#include "formats/idx.h"
#include "formats/image.h"
#include "formats/kind.h"
#include "formats/npy.h"
#include "formats/sha256.h"
#include "formats/text.h"
#include "job/job_data.h"
#include "job/train_job.h"
#include "nn/config.h"
#include "report/judge.h"
#include "train/training.h"
#include "varve/files.h"
#include "varve/nn/network.h"
#include "varve/warnings.h"

namespace varve::job {
namespace {

using formats::Array;

// A picture at a time is read: many files take no more memory than their samples.
Dataset dataset_of(const Array& samples, const data::ImagePreparation& p) {
  return Dataset(data::to_tensor(samples), {},
                 {.prepare = p.prepare(), .preprocessing = p.to_json()});
}

Shape sample_of(const Model& model) {
  const Shape batch = nn::inputs_of(model).at(0).type.shape;
  return Shape(std::vector<int64_t>(batch.begin() + 1, batch.end()));
}

bool is_folder(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Array read_member(const std::string& file, const std::string& name,
                  const std::vector<std::string>& usual) {
  const formats::NpzFile npz = formats::NpzFile::open(file);
  std::string chosen = name;
  if (chosen.empty() && npz.names().size() == 1) chosen = npz.names()[0];
  for (const std::string& n : usual) {
    if (chosen.empty() && npz.contains(n)) chosen = n;
  }
  if (!npz.contains(chosen)) {
    std::string all;
    for (const std::string& n : npz.names()) all += (all.empty() ? "" : ", ") + escaped(n);
    throw FormatError(
        formats::shown(file) + ": " +
            (name.empty() ? "which array is meant?" : "no array " + formats::in_quotes(name)),
        "it has " + escaped(all, 1000));
  }
  return npz.read(chosen);
}

// The part of a job's table, by the model's own preprocessing.
template <class Compare>
Dataset part_of_table(const Job& job, const TablePreprocessing& fitted, const Compare& compare) {
  const CsvData& csv = job.data.csv;
  if (job.data.own_test()) return fitted.dataset(fitted.read(job.resolve(csv.test_path)));
  const std::string path = job.resolve(csv.path);
  compare(formats::sha256_file(path));
  const Table table = fitted.read(path);
  const Split& split = job.data.split;
  const data::TableRows rows = data::split_rows(
      table,
      {.target = fitted.target(), .target_kind = fitted.is_classification() ? "class" : "number"},
      {.validation = split.validation,
       .test = split.test,
       .stratify = split.stratify,
       .seed = job.seed});
  return fitted.dataset(table).subset(split.test > 0 ? rows.test : rows.validation);
}

std::string number_text(double v) { return fmt::format("{}", static_cast<float>(v)); }

}  // namespace

FileKind kind_of(const std::string& path) {
  switch (formats::kind_of(formats::Source::open(path))) {
    case formats::FileKind::png:
    case formats::FileKind::jpeg:
      return FileKind::picture;
    case formats::FileKind::npy:
      return FileKind::npy;
    case formats::FileKind::npz:
    case formats::FileKind::torch:
    case formats::FileKind::zip:
      return FileKind::npz;
    default:
      return FileKind::table;
  }
}

namespace {

// What cannot be read and is not called a picture is none.
bool holds_picture(const std::string& path) {
  try {
    return kind_of(path) == FileKind::picture;
  } catch (const IoError&) {
    return false;
  }
}

}  // namespace

std::vector<std::string> pictures_of_folders(const std::vector<std::string>& files) {
  namespace fs = std::filesystem;
  std::vector<std::string> out;
  for (const std::string& file : files) {
    if (!is_folder(file)) {
      out.push_back(file);
      continue;
    }
    std::vector<std::string> found;
    std::error_code error;
    for (fs::directory_iterator at(file, error), end; !error && at != end; at.increment(error)) {
      const std::string path = at->path().string();
      if (at->path().filename().string().starts_with('.')) continue;
      std::error_code ignored;
      if (fs::is_regular_file(at->status(ignored)) &&
          (data::has_picture_ending(path) || holds_picture(path)))
        found.push_back(path);
    }
    if (error) throw IoError(formats::shown(file) + ": cannot read: " + error.message());
    if (found.empty())
      throw FormatError(formats::shown(file) + ": is a directory without PNG or JPEG pictures",
                        "folders in it are not looked into: give them themselves");
    std::sort(found.begin(), found.end());
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

Application::Application(const std::string& path, LoadOptions options)
    : model_(Model::load(path, options)), name_(formats::shown(path)) {
  const std::vector<nn::Port> inputs = nn::inputs_of(model_);
  if (inputs.size() == 1) return;
  std::string names;
  for (const nn::Port& port : inputs) names += (names.empty() ? "" : ", ") + escaped(port.name);
  throw UnsupportedError(name_ + ": takes " + std::to_string(inputs.size()) + " inputs: " + names,
                         "files hold one; such a model is called from C++");
}

std::string Application::preprocessing_type() const {
  const std::string text = model_.metadata("preprocessing");
  if (text.empty()) return {};
  const config::Json j = config::parse(text, name_ + ": preprocessing");
  return j.is_object() && j.contains("type") && j["type"].is_string() ? j["type"].get<std::string>()
                                                                      : "";
}

data::ImagePreparation Application::preparation(const std::string& file) const {
  const std::string type = preprocessing_type();
  if (type == "image") return data::ImagePreparation::from_json(model_.metadata("preprocessing"));
  const Shape sample = sample_of(model_);
  if (!type.empty() || sample.rank() != 3 || (sample[2] != 1 && sample[2] != 3)) {
    throw FormatError(formats::shown(file) + ": a picture, and " + name_ + " takes " +
                      (type == "table" ? "rows of a table" : "samples " + sample.to_string()));
  }
  warn(name_ + " does not say how pictures are prepared: 0..255 becomes 0..1");
  return {.height = sample[0], .width = sample[1], .channels = sample[2]};
}

Dataset Application::checked(const Dataset& samples, const std::string& file) const {
  const Batch one = samples.batch(std::vector<int64_t>{0});
  const Shape& batch = one.x().shape();
  const Shape got(std::vector<int64_t>(batch.begin() + 1, batch.end()));
  const Shape expected = sample_of(model_);
  const bool fits = got.rank() == expected.rank() &&
                    std::equal(got.begin(), got.end(), expected.begin(),
                               [](int64_t g, int64_t e) { return e < 0 || g == e; });
  if (!fits) {
    throw FormatError(formats::shown(file) + ": expected samples " + expected.to_string() +
                      ", got " + got.to_string());
  }
  return samples;
}

Dataset Application::pictures(const std::vector<std::string>& files, bool invert) const {
  const data::ImagePreparation p = preparation(files.at(0));
  Array all(u8, Shape{files.size(), p.height, p.width, p.channels}, "pictures");
  uint8_t* out = all.span<uint8_t>().data();
  for (const std::string& file : files) {
    const Array fitted = p.fit(formats::read_image(file));
    const std::span<const uint8_t> pixels = fitted.span<uint8_t>();
    std::transform(pixels.begin(), pixels.end(), out,
                   [&](uint8_t v) { return invert ? static_cast<uint8_t>(255 - v) : v; });
    out += pixels.size();
  }
  return checked(dataset_of(all, p), files[0]);
}

double Application::divide_by() const {
  const std::string type = preprocessing_type();
  return type == "image" || type == "bytes"
             ? data::ImagePreparation::from_json(model_.metadata("preprocessing")).divide_by
             : 1;
}

TablePreprocessing Application::table_preprocessing(const std::string& file) const {
  if (preprocessing_type() != "table") {
    const formats::Source source = formats::Source::open(file);
    const formats::FileKind kind = formats::kind_of(source);
    const bool named = kind != formats::FileKind::text && kind != formats::FileKind::unknown;
    throw FormatError(
        source.name() + ": " +
            (named ? "it is " + std::string(formats::name_of(kind)) : "taken for a table") +
            ", and " + name_ +
            (preprocessing_type() == "image" ? " takes pictures"
             : named                         ? " takes samples " + sample_of(model_).to_string()
                                             : " has no preprocessing for tables"),
        "pictures are PNG or JPEG files, arrays .npy or .npz");
  }
  return TablePreprocessing::from_json(model_.metadata("preprocessing"));
}

Dataset Application::table(const std::string& file) const {
  const TablePreprocessing fitted = table_preprocessing(file);
  return Dataset(fitted.inputs(fitted.read(file)));
}

std::vector<std::vector<std::string>> Application::columns(
    const std::string& file, const std::vector<std::string>& names) const {
  if (names.empty()) return {};
  // Read once more: what looks like a number (0071) or like nothing (NA) stays as it is.
  TableReadOptions reading = table_preprocessing(file).reading();
  reading.text = names;
  reading.missing = {};
  const Table table = Table::read(file, reading);
  std::vector<std::vector<std::string>> out;
  for (const std::string& name : names) {
    std::vector<std::string> cells;
    for (int64_t row = 0; row < table.rows(); ++row) cells.push_back(table.cell(row, name));
    out.push_back(std::move(cells));
  }
  return out;
}

Dataset Application::array(const std::string& file, const std::string& array) const {
  const bool npz = kind_of(file) == FileKind::npz;
  Array a = npz ? read_member(file, array, {"x", "x_test", "inputs"}) : formats::read_npy(file);
  if (a.shape.rank() == 0 || a.shape.size() == 0)
    throw FormatError(formats::shown(file) + ": no samples in " + a.shape.to_string());
  return checked(inputs_of(a, divide_by()), file);
}

Dataset Application::folder(const std::string& path) const {
  for (const char* mnist : {"/t10k-images-idx3-ubyte", "/t10k-images-idx3-ubyte.gz", "/mnist"}) {
    if (formats::file_exists(path + mnist)) return datasets::mnist(path).test;
  }
  const data::ImagePreparation p = preparation(path);
  return of_known_classes(
      datasets::image_folder(path, {.height = p.height, .width = p.width, .channels = p.channels}),
      path);
}

const Dataset& Application::of_known_classes(const Dataset& pictures,
                                             const std::string& path) const {
  if (pictures.class_names() != model_.class_names()) {
    const auto list = [](const std::vector<std::string>& names) {
      std::string out;
      for (const std::string& n : names) out += (out.empty() ? "" : ", ") + escaped(n);
      return escaped(out, 500);
    };
    throw FormatError(formats::shown(path) + ": expected folders for the classes " +
                      list(model_.class_names()) + ", got " + list(pictures.class_names()));
  }
  return pictures;
}

Dataset Application::labelled(const std::string& file, const std::string& inputs,
                              const std::string& targets, const std::string& labels) const {
  if (file.ends_with(".toml")) return part_of_job(file);
  if (is_folder(file)) return folder(file);
  const bool classes = !model_.class_names().empty();
  const double by = divide_by();
  if (!labels.empty()) {
    const formats::LabelledImages part = formats::read_idx_pair(file, labels);
    return checked(
        with_targets(inputs_of(part.images, by), part.labels, classes, formats::shown(labels)),
        file);
  }
  switch (kind_of(file)) {
    case FileKind::npz: {
      const Array x = read_member(file, inputs, {"x_test", "x", "inputs"});
      const Array y = read_member(file, targets, {"y_test", "y", "targets"});
      return checked(with_targets(inputs_of(x, by), y, classes, formats::shown(file) + ": targets"),
                     file);
    }
    case FileKind::table: {
      const TablePreprocessing fitted = table_preprocessing(file);
      return fitted.dataset(fitted.read(file));
    }
    default:
      throw FormatError(formats::shown(file) + ": there are no targets to evaluate with",
                        "a table with the target, a .npz of inputs and targets, an IDX file with "
                        "--labels, a job file, the folder of MNIST, or one of pictures by class");
  }
}

// Seed, shares and settings are those of the training, whatever the file says by now and was
// overruled by then: else the part would hold rows that the model has seen.
Dataset Application::part_of_job(const std::string& file) const {
  Job job = read_job(file);
  const std::string text = model_.metadata(kSplitKey);
  std::optional<SplitRecord> record;
  if (!text.empty()) record = SplitRecord::from_json(text);
  if (!job.data.own_test()) {
    if (record) {
      job.seed = static_cast<uint64_t>(record->seed.value);
      job.data.split = record->split;
    } else {
      warn(name_ + " does not say which rows it was trained on; the part may hold some of them");
    }
    if (job.data.split.test == 0 && job.data.split.validation == 0) {
      throw ConfigError(formats::shown(file) + ": the job has neither a test nor a validation part",
                        record ? "the model was trained on all its rows" : "set data.split.test");
    }
  }
  const auto compare = [&](const std::string& data) {
    if (!record || job.data.own_test() || record->data == data) return;
    throw ConfigError(formats::shown(file) +
                          ": its data are not those that the model was trained on: which of them "
                          "it has seen is not known",
                      "give a file of rows, pictures or arrays that were not there in training");
  };
  if (job.data.kind == "csv") return part_of_table(job, table_preprocessing(file), compare);
  job.data.idx.scale = job.data.npz.scale = divide_by() == 1 ? "none" : "unit";
  if (const Loss loss = train::training_of(model_).options.loss.one()) job.train.loss = loss;
  if (job.data.kind == "image_folder") {
    const data::ImagePreparation p = preparation(file);
    job.data.image_folder.image_size = {p.height, p.width};
    job.data.image_folder.channels = p.channels;
  }
  const JobData data = load_data(job);
  compare(data.record.data);
  if (job.data.kind == "image_folder") of_known_classes(*data.judged(), file);
  return checked(*data.judged(), file);
}

std::vector<Answer> Application::answers(const Tensor& output) const {
  const std::vector<std::string> names = model_.class_names();
  const Shape& shape = output.shape();
  const int64_t n = shape[0], width = n > 0 ? output.size() / n : 0;
  const bool one = width == 1 && names.size() == 2;
  const bool classes =
      shape.rank() <= 2 && !names.empty() && (one || static_cast<size_t>(width) == names.size());
  std::vector<Answer> out;
  if (!classes) {
    const std::vector<double> values = output.to_doubles();
    for (int64_t i = 0; i < n; ++i) {
      std::string text;
      for (int64_t k = i * width; k < (i + 1) * width; ++k)
        text += (text.empty() ? "" : ", ") + number_text(values[static_cast<size_t>(k)]);
      out.push_back({{{text, {}}}});
    }
    return out;
  }
  const train::OutputKind kind =
      train::output_kind(model_, train::training_of(model_).options.loss.one());
  for (const std::vector<double>& p : report::class_scores(output, kind)) {
    std::vector<size_t> order(p.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
    Answer answer;
    for (size_t c : order) {
      answer.choices.push_back({names[c], {}});
      if (train::has_probabilities(kind)) answer.choices.back().probability = p[c];
    }
    out.push_back(std::move(answer));
  }
  return out;
}

}  // namespace varve::job
