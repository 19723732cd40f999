#include "varve/files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/errors.h"
#include "support/folder.h"
#include "varve/error.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"
#include "varve/warnings.h"

namespace varve {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = VARVE_SOURCE_DIR "/tests/formats/golden/";

using test::Folder;
using test::message_of;
using test::write_text;

void expect_equal(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.dtype(), b.dtype());
  EXPECT_EQ(a.shape(), b.shape());
  EXPECT_EQ(a.to_doubles(), b.to_doubles());
}

TEST(Files, ArraysComeBackAsTheyWere) {
  const Folder folder;
  const Tensor a = tensor({1.5f, -2.f, 3.f, 4.f, 5.f, 6.f}, {2, 3});
  const Tensor b = tensor({int32_t{7}, int32_t{-8}});
  for (const Tensor& x : {a, b, Tensor(transpose(a)), a > 2}) {
    write_npy(folder / "x.npy", x);
    expect_equal(read_npy(folder / "x.npy"), x);
  }
  for (bool compress : {false, true}) {
    write_npz(folder / "x.npz", {{"a", a}, {"b", b}}, compress);
    const auto arrays = read_npz(folder / "x.npz");
    ASSERT_EQ(arrays.size(), 2u);
    expect_equal(arrays.at("a"), a);
    expect_equal(arrays.at("b"), b);
  }
  for (const char* name : {"x.idx", "x.idx.gz"}) {
    write_idx(folder / name, b);
    expect_equal(read_idx(folder / name), b);
  }
  write_safetensors(folder / "x.safetensors", {{"a", a}, {"b", transpose(a)}}, {{"note", "text"}});
  const auto tensors = read_safetensors(folder / "x.safetensors");
  expect_equal(tensors.at("a"), a);
  expect_equal(tensors.at("b"), transpose(a));
  EXPECT_THROW(write_npy(folder / "x.npy", cast(a, bf16)), DTypeError);
  EXPECT_THROW(read_npy(folder / "none"), IoError);
  EXPECT_NE(message_of([] { read_npy(kGolden + "object.npy"); }).find("pickle"), std::string::npos);
  EXPECT_THROW(write_npy(folder / "no/such/folder", a), IoError);
}

TEST(Files, ArraysOfNumPyAreRead) {  // written by NumPy: tests/formats/golden/make_golden.py
  // Its floats count in steps of 0.37 from -7 steps on, in C order.
  const auto counted = [](const Shape& shape, DType dtype) {
    std::vector<double> v(static_cast<size_t>(shape.size()));
    for (size_t i = 0; i < v.size(); ++i) v[i] = (static_cast<double>(i) - 7) * 0.37;
    return cast(tensor(v, shape), dtype);
  };
  expect_equal(read_npy(kGolden + "fortran.npy"), counted({2, 3, 4}, f32));
  expect_equal(read_npy(kGolden + "float16.npy"), counted({2, 3}, f16));
  expect_equal(read_npy(kGolden + "scalar.npy"), scalar(2.5, f64));
  const auto deflated = read_npz(kGolden + "deflated.npz");
  ASSERT_EQ(deflated.size(), 2u);
  expect_equal(deflated.at("weight"), counted({3, 4}, f32));
  expect_equal(deflated.at("step"), scalar(7, i64));
  const auto all = read_safetensors(kGolden + "all.safetensors");
  EXPECT_GT(all.size(), 5u);
  expect_equal(all.at("layer.float32"), counted({2, 3}, f32));
}

Tensor picture(int64_t height, int64_t width, int64_t channels, int64_t shade) {
  std::vector<uint8_t> v(static_cast<size_t>(height * width * channels));
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<uint8_t>((i * 7 + 40 * shade) % 256);
  return tensor(v, {height, width, channels});
}

TEST(Files, PicturesComeBackResizedAndConvertedAsAsked) {
  const Folder folder;
  const Tensor rgb = picture(5, 7, 3, 1);
  write_image(folder / "x.png", rgb);
  expect_equal(read_image(folder / "x.png"), rgb);
  EXPECT_EQ(read_image(folder / "x.png", {.channels = 1}).shape(), (Shape{5, 7, 1}));
  EXPECT_EQ(read_image(folder / "x.png", {.channels = 4}).shape(), (Shape{5, 7, 4}));
  EXPECT_EQ(read_image(folder / "x.png", {.height = 10}).shape(), (Shape{10, 7, 3}));
  EXPECT_EQ(read_image(folder / "x.png", {.height = 3, .width = 2}).shape(), (Shape{3, 2, 3}));
  write_image(folder / "x.jpg", picture(8, 8, 1, 0));
  EXPECT_EQ(read_image(folder / "x.jpg").shape(), (Shape{8, 8, 1}));
  EXPECT_EQ(message_of([&] { write_image("x.gif", rgb); }),
            "write_image: expected a name that ends in .png, .jpg or .jpeg, got \"x.gif\"");
  EXPECT_THROW(write_image(folder / "x.png", cast(rgb, f32)), DTypeError);
  EXPECT_THROW(read_image(folder / "x.png", {.channels = 2}), ValueError);
  EXPECT_THROW(read_image(folder / "x.png", {.height = -1}), ValueError);
}

// Three cats, two dogs.
void make_pets(const Folder& folder) {
  for (const auto& [name, count] : {std::pair("cat", 3), {"dog", 2}}) {
    fs::create_directories(folder / name);
    for (int i = 0; i < count; ++i) {
      const std::string file = std::string(name) + "/" + std::to_string(i) + (i ? ".PNG" : ".png");
      write_image(folder / (std::string(name) + "/x.png"), picture(6 + i, 5, i % 2 ? 3 : 1, i));
      fs::rename(folder / (std::string(name) + "/x.png"), folder / file);
    }
  }
}

TEST(ImageFolder, IsADatasetOfClasses) {
  const Folder folder;
  make_pets(folder);
  write_text(folder / "cat/notes.txt", "no picture");
  write_text(folder / "cat/.hidden.png", "not looked at");
  const Dataset pets = datasets::image_folder(folder.path(), {.height = 4, .width = 3});
  EXPECT_EQ(pets.size(), 5);
  EXPECT_EQ(pets.class_names(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(pets.classes(), (std::vector<int64_t>{0, 0, 0, 1, 1}));
  const Batch b = pets.all();
  EXPECT_EQ(b.x().shape(), (Shape{5, 4, 3, 3}));
  EXPECT_EQ(b.x().dtype(), f32);
  const Tensor first = read_image(folder / "cat/0.png", {.height = 4, .width = 3, .channels = 3});
  EXPECT_EQ(pets.batch({0}).x().to_doubles(), (cast(first, f32) / 255).to_doubles());
  EXPECT_EQ(pets.preprocessing(),
            R"({"type":"image","height":4,"width":3,"channels":3,"divide_by":255.0})");
}

TEST(ImageFolder, ABadPictureIsNamedOrLeftOut) {  // B071
  const Folder folder;
  fs::create_directories(folder / "a");
  for (int i = 0; i < 200; ++i) {
    write_image(folder / ("a/" + std::to_string(1000 + i) + ".png"), picture(2, 2, 1, i));
  }
  write_text(folder / "a/1100.png", "Hello");
  const auto load = [&](const char* policy) {
    return datasets::image_folder(
        folder.path(), {.height = 2, .width = 2, .channels = 1, .on_bad_sample = policy});
  };
  EXPECT_EQ(message_of([&] { load("error"); }),
            folder / "a/1100.png" + ": not a PNG: starts with \"Hello\"");
  take_warnings();
  const Dataset kept = load("skip");
  EXPECT_EQ(kept.size(), 199);
  EXPECT_EQ(kept.batch({100}).x().to_doubles(),
            (cast(picture(2, 2, 1, 101), f32) / 255).to_doubles());
  EXPECT_EQ(
      take_warnings(),
      (std::vector<std::string>{"image_folder: " + folder.path() +
                                ": 1 of 200 pictures cannot be read and are left out:\n  " +
                                folder / "a/1100.png" + ": not a PNG: starts with \"Hello\""}));
  for (int i : {7, 9}) write_text(folder / ("a/100" + std::to_string(i) + ".png"), "Hello");
  EXPECT_NE(
      message_of([&] { load("skip"); }).find(": 3 of 200 pictures cannot be read, more than 1 %:"),
      std::string::npos);
  EXPECT_EQ(message_of([&] { load("drop"); }),
            "image_folder: on_bad_sample: expected \"error\" or \"skip\", got \"drop\"");
}

TEST(ImageFolder, WithoutPicturesSaysWhatItLookedFor) {  // B110
  const Folder folder;
  const std::string name = folder.path();
  const datasets::ImageFolderOptions options{.height = 2, .width = 2};
  EXPECT_EQ(message_of([&] { datasets::image_folder(name, options); }),
            "image_folder: " + name +
                ": training set is empty (0 of 0 files matched *.png, *.jpg, *.jpeg)");
  fs::create_directories(folder / "a");
  for (int i = 0; i < 12; ++i) write_text(folder / ("a/" + std::to_string(i) + ".gif"), "x");
  EXPECT_EQ(message_of([&] { datasets::image_folder(name, options); }),
            "image_folder: " + name +
                ": training set is empty (0 of 12 files matched *.png, *.jpg, *.jpeg)");
  EXPECT_EQ(message_of([&] { datasets::image_folder(name + "/none", options); }),
            "image_folder: " + name + "/none: No such file or directory");
  std::filesystem::create_symlink("around", folder / "around");
  EXPECT_EQ(message_of([&] { datasets::image_folder(name, options); }),
            "image_folder: " + name + "/around: Too many levels of symbolic links");
  EXPECT_EQ(message_of([&] { datasets::image_folder(name, {}); }),
            "image_folder: height: expected 1..16384, got 0");
}

}  // namespace
}  // namespace varve
