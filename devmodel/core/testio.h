/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The disk and the link of the test environment: see testenv.h. */
#include "devmodel/core/testenv.h"

void testio_open(struct dm_test *t);
void testio_close(struct dm_test *t);
/** testio_run - performs what was submitted and calls the model for it, until nothing is left. */
void testio_run(struct dm_test *t);
/** testio_forget - requests that were submitted are gone with the daemon. */
void testio_forget(struct dm_test *t);

/* testtrace.c: the session as a file, if the environment asks for it. */
void testtrace_open(struct dm_test *t);
void testtrace_add(struct dm_test *t, const void *records, size_t len);
void testtrace_close(struct dm_test *t);
