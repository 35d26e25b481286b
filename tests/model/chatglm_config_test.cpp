// SPDX-License-Identifier: Apache-2.0
#include "chatglm_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/temp_model.h"
