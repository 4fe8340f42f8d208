/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Store-release before load-acquire stays in order (DDI 0487, B2.3.3 "Barrier-ordered-before"). On ours only: QEMU 7.2 on
 * hosts that delay stores lets the load pass the store.
 */
#define LITMUS_RELEASE_ACQUIRE
#include "litmus.c"
