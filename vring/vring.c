/* SPDX-License-Identifier: Apache-2.0 */
#include "vring/vring.h"
