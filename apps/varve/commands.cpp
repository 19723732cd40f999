#include <array>

#include "command.h"

namespace varve::app {
namespace {

constexpr std::array kCommands{
    Command{"run", "Trains a recipe: a system that others published, to the figure they reached.",
            "Leaves in DIR: result.json, the model, learning curves, pictures and report.html.\n"
            "The exit code is 0 only if the recipe reaches its gate.\n\n"
            "Examples:\n"
            "  varve run --list\n"
            "  varve run mnist_convnet --out runs/demo\n"
            "  varve run lenet5 --seed 2 --threads 1 --out runs/lenet5-2\n",
            true, declare_run},
    Command{
        "train", "Trains a network for data of your own, as a job file says.",
        "A job file names the data, the layers, and how they are trained; paths in it are\n"
        "relative to its folder. The least that works, for a table with a column \"species\":\n\n"
        "  [data]\n"
        "  kind = \"csv\"                      # or image_folder, idx, npz\n"
        "  path = \"iris.csv\"\n"
        "  target = \"species\"\n"
        "  split = { validation = 0.1, test = 0.2, stratify = true }\n\n"
        "  [model]\n"
        "  layers = [\n"
        "    { type = \"dense\", units = 16, activation = \"relu\" },\n"
        "    { type = \"dense\", units = \"classes\" },\n"
        "  ]\n\n"
        "  [train]\n"
        "  optimizer = { type = \"adam\", learning_rate = 0.01 }\n"
        "  loss = { type = \"cross_entropy\", from_logits = true }\n"
        "  metrics = [\"accuracy\"]\n"
        "  epochs = 50\n\n"
        "  [output]\n"
        "  directory = \"runs/iris\"\n\n"
        "Columns of text become categories, numbers are scaled, missing values filled; what is\n"
        "learned of the training rows travels in the model. Leaves in the output's folder:\n"
        "model.safetensors, report.html, history.csv, curves.svg, model.svg, result.json, and of\n"
        "classes confusion.csv.\n\n"
        "Examples:\n"
        "  varve train --keys                       lists all that a job file may say\n"
        "  varve train iris.toml --check            reads everything, trains nothing\n"
        "  varve train iris.toml\n"
        "  varve train iris.toml --epochs 5 --set train.batch_size=16 --out runs/short\n"
        "  varve predict runs/iris/model.safetensors new.csv\n",
        true, declare_train},
    Command{"evaluate", "Measures a trained model on data with known answers.",
            "Examples:\n"
            "  varve evaluate runs/iris/model.safetensors more.csv\n"
            "  varve evaluate runs/iris/model.safetensors iris.toml     the part kept out\n"
            "  varve evaluate runs/demo/model.safetensors data/mnist\n"
            "  varve evaluate model.safetensors images.idx --labels labels.idx --json\n",
            true, declare_evaluate},
    Command{
        "predict", "Says what a trained model makes of pictures, rows or arrays.",
        "Pictures are converted to grey or colour and resized to what the network takes; they\n"
        "are never inverted unless you ask: MNIST's digits are light on dark, so a photographed\n"
        "one on white paper needs --invert. Tables need the columns that training had, but not\n"
        "the target.\n\n"
        "Examples:\n"
        "  varve predict runs/demo/model.safetensors runs/demo/digits/digit_7.png\n"
        "  varve predict runs/demo/model.safetensors photo.jpg --invert --top 3\n"
        "  varve predict runs/demo/model.safetensors runs/demo/digits --out answers.csv\n"
        "  varve predict runs/iris/model.safetensors new.csv --out answers.csv\n"
        "  varve predict model.safetensors samples.npy --out numbers.npy\n",
        true, declare_predict},
    Command{"summary", "Lists the layers of a model file: shapes, parameters, operations, memory.",
            "Example:\n"
            "  varve summary runs/demo/model.safetensors\n",
            false, declare_summary},
    Command{"plot", "Draws the network of a model file.",
            "Example:\n"
            "  varve plot runs/demo/model.safetensors --out network.svg\n",
            false, declare_plot},
    Command{"profile", "Times a model kernel by kernel.",
            "Random samples go through the model; the table says how long each kernel takes.\n\n"
            "Examples:\n"
            "  varve profile runs/demo/model.safetensors --batch 1\n"
            "  varve profile runs/demo/model.safetensors --train --batch 128 --threads 1\n",
            true, declare_profile},
    Command{"onnx test", "Holds Varve against ONNX's conformance cases.",
            "A case is a folder with model.onnx and test_data_set_N/input_M.pb, output_M.pb. One\n"
            "line a case: pass, fail with the largest difference, or unsupported with the reason;\n"
            "then a total. The exit code is 0 only without a failure. Outputs may differ by 1e-7\n"
            "plus 1e-3 of the expected number.\n\n"
            "Example:\n"
            "  varve onnx test cases/node --json results.json\n",
            true, declare_onnx_test},
    Command{"onnx run", "Runs an ONNX model on arrays.",
            "Example:\n"
            "  varve onnx run model.onnx --input image=image.npy --out results\n",
            true, declare_onnx_run},
    Command{
        "onnx import", "Makes an ONNX model a model file that trains on.",
        "Its floating initializers become the weights, under their names. A job goes on with it\n"
        "by [model] file = \"model.safetensors\"; while it trains, Dropout drops and\n"
        "BatchNormalization uses the batch and moves its statistics, as the layers do.\n\n"
        "Example:\n"
        "  varve onnx import model.onnx -o model.safetensors\n"
        "  varve summary model.safetensors\n",
        true, declare_onnx_import},
    Command{"onnx export", "Writes a model file as ONNX, for other programs.",
            "Opset 17, with the weights inside and the batch left open; inputs and outputs keep\n"
            "their names and layout.\n\n"
            "Example:\n"
            "  varve onnx export runs/demo/model.safetensors -o model.onnx\n",
            false, declare_onnx_export},
    Command{"doctor", "Says what this Varve is made of and what it finds on this machine.",
            "Example:\n"
            "  varve doctor            a table, and notes on what costs speed\n"
            "  varve doctor --json     the same for programs\n",
            true, declare_doctor},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace varve::app
