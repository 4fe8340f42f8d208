#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the rig, with --full: tests/system/live.sh on KVM: disk load while each device's process is killed, restarts, a pause.
export OUTRIGGER_ISA=x86_64 OUTRIGGER_ENGINE=kvm OUTRIGGER_SLOW=4
exec bash /o/tests/system/live.sh /o/bin
