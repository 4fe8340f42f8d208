#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the rig: linux.sh with the vmlinux out of the bzImage, by its PVH entry.
[ -s /o/build/guests/x86_64/vmlinux ] || { echo "the kernel could not be unpacked (package lz4)"; exit 77; }
exec bash /o/rig/linux.sh 1 256M /o/build/guests/x86_64/vmlinux
