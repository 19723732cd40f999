// varve train: a network for data of one's own, as a job file says.
#include <cstdio>
#include <memory>

#include "base/count.h"
#include "base/error.h"
#include "command.h"
#include "console.h"
#include "interrupt.h"
#include "job/check.h"
#include "job/reference.h"
#include "job/train_job.h"
#include "output.h"
#include "varve/report.h"

namespace varve::app {
namespace {

struct Options {
  std::string job, out, resume, initial;
  std::vector<std::string> sets;
  int64_t epochs = 0, seed = -1;
  double learning_rate = 0;
  bool check = false, keys = false, force = false, allow_older = false;
};

// All changes of the job as KEY=VALUE.
std::vector<std::string> changes(const Options& o) {
  std::vector<std::string> out = o.sets;
  for (const std::string& set : out) {
    if (set.find('=') == set.npos || set.starts_with("=")) {
      throw UsageError("--set: expected KEY=VALUE, got \"" + escaped(set) + "\"",
                       "for example --set train.epochs=3");
    }
  }
  if (o.epochs > 0) out.push_back("train.epochs=" + std::to_string(o.epochs));
  if (o.seed >= 0) out.push_back("seed=" + std::to_string(o.seed));
  if (o.learning_rate > 0) {
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", o.learning_rate);
    out.push_back("train.optimizer.learning_rate=" + std::string(text));
  }
  return out;
}

int train(const Options& o) {
  if (o.keys) {
    say(job::reference());
    return 0;
  }
  if (o.job.empty()) {
    throw UsageError("JOB: missing", "usage: varve train [OPTIONS] JOB; varve help train explains");
  }
  job::Job job = job::read_job(o.job, changes(o));
  if (!o.out.empty()) job.directory = o.out;
  if (o.check) {
    job::PreparedJob prepared = job::prepare(job);
    job::check_samples(job, prepared);
    say(summary(prepared.model) + "\n");
    say("The job is in order: " + count_of(prepared.data.train.size(), "example") +
        " to train on.\n");
    return 0;
  }
  if (!o.initial.empty()) check_output(job.directory + "/model.safetensors", {o.initial}, true);
  const FolderClaim claim(job.directory, "job " + job.name, job::output_files(), o.force);
  job::train(job, {.say = say_if_read,
                   .resume = o.resume,
                   .resume_older = o.allow_older,
                   .initial = o.initial,
                   .interrupted = interrupted});
  return interrupted() ? kInterrupted : 0;
}

}  // namespace

Action declare_train(Arguments& arguments) {
  auto o = std::make_shared<Options>();
  arguments.positional("JOB", o->job, "The job file (TOML).", false);
  arguments.texts("--set", "KEY=VALUE", o->sets,
                  "Changes a value of the job: --set model.layers[0].units=128.");
  arguments.integer("--epochs", "N", o->epochs, 1, INT32_MAX, "The same as --set train.epochs=N.");
  arguments.real("--learning-rate,--lr", "RATE", o->learning_rate, 0,
                 "The same as --set train.optimizer.learning_rate=RATE.");
  arguments.integer("--seed", "N", o->seed, 0, INT64_MAX, "The same as --set seed=N.");
  arguments.text("--out,-o", "DIR", o->out, "Where results go, in place of output.directory.");
  arguments.text("--resume", "FILE", o->resume,
                 "Goes on from a checkpoint, to the same bits as without the break.");
  arguments.flag("--allow-older", o->allow_older,
                 "With --resume: where FILE is damaged, takes the checkpoint before it.");
  arguments.text("--init-from", "MODEL", o->initial, "Begins with the weights of a model file.");
  arguments.conflict("--resume", "--init-from");
  arguments.flag("--check", o->check,
                 "Reads job and data, tries loss and metrics, shows the network; trains nothing.");
  arguments.flag("--keys", o->keys, "Lists all that a job file may say, with the defaults.");
  arguments.flag("--force", o->force, "Replaces what others left in DIR.");
  return [o] { return train(*o); };
}

}  // namespace varve::app
