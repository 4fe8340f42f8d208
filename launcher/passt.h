/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* User networking by passt(1): a process of the user's that turns the guest's frames into sockets of the host. */
#include "launcher/hostio.h"

/** passt_open - starts passt for device @dev on one end of a socket pair; the other end is @ret's. Waits until it serves (or
 * has failed, which takes milliseconds). Its log is <runtime folder>/<device>.passt.log. 0 or -Exxx with @err; @ret is then
 * to be given to hostio_close(). */
int passt_open(const struct config *c, const struct config_device *dev, struct hostio *ret,
	       struct err *err);
