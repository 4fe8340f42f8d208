#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the rig: linux.sh with two CPUs, and with memory on both sides of the hole.
exec bash /o/rig/linux.sh 2 4G
