// room: nn
// Every layer of the library. A spec is a plain aggregate, in Keras' order of arguments and with
// Keras' defaults; it becomes a Layer where one is wanted, or by being called, once:
//     Layer dense = nn::Dense{.units = 10};
//     Tensor y = nn::Dense{.units = 10}(x);
#pragma once
#include "varve/nn/activation_layers.h"
#include "varve/nn/attention_layers.h"
#include "varve/nn/conv_layers.h"
#include "varve/nn/core_layers.h"
#include "varve/nn/merge_layers.h"
#include "varve/nn/norm_layers.h"
#include "varve/nn/other_layers.h"
#include "varve/nn/pool_layers.h"
#include "varve/nn/recurrent_layers.h"
#include "varve/nn/resampling_layers.h"
