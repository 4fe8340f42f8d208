/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Back-ends of a device that a swap brings: inside of the supervisor. */
#include "launcher/sup.h"

/** sup_backends_open - opens what @sets (heap array, may grow) change of @dev's back-ends, into dev->change. 0; or -Exxx with @err, as
 * at the start of a VM. */
int sup_backends_open(struct sup *s, struct sup_device *dev, char ***sets, struct err *err);

/** sup_backends_send - gives dev->change to hv for the swap with @token, and names them in @msg, *@ret_n of them. 0 or -Exxx. */
int sup_backends_send(struct sup *s, struct sup_device *dev, const char *token,
		      Outrigger__BackendFd msg[LIMIT_FDS], Outrigger__BackendFd *ptrs[LIMIT_FDS],
		      size_t *ret_n);

/** sup_backends_done - the swap is over. @good: the new ones are @dev's, the old ones end; else the other way round. */
void sup_backends_done(struct sup *s, struct sup_device *dev, bool good);

/** sup_consoles_review - ends the consoles of devices that are joined to something else since, once they are read to the end. */
void sup_consoles_review(struct sup *s);
