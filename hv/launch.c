/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/launch.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "proto/ctl.h"
#include "proto/dock.h"
#include <errno.h>

static int unpack(struct launch *l, int memfd, uint32_t len, struct err *err)
{
	if (!len || len > LIMIT_MSG_BYTES)
		return err_set(err, EPROTO, "a config of %u bytes; 1 to %d are possible", len,
			       LIMIT_MSG_BYTES);
	AUTO_FREE uint8_t *buf = malloc(len);
	if (!buf)
		return err_set(err, ENOMEM, "out of memory");
	size_t got = 0;
	while (got < len) {
		/* By position: the descriptor's offset stands where its writer stopped. */
		ssize_t n = pread(memfd, buf + got, len - got, (off_t)got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, EPROTO, "the config has %zu bytes; %u were announced",
				       got, len);
		got += (size_t)n;
	}
	l->cfg = (Outrigger__VmConfig *)ctl_unpack(&outrigger__vm_config__descriptor, buf, len);
	return l->cfg ? 0 : err_set(err, EPROTO, "the config is no VmConfig of %u bytes", len);
}

int launch_receive(int sock, struct launch *ret, struct err *err)
{
	struct launch_header h;
	struct launch l = {0};
	int fds[LAUNCH_FDS_MAX + 1];
	unsigned n = 0;
	ssize_t got = fdpass_recv(sock, &h, sizeof(h), fds, ARRAY_LEN(fds), &n);
	if (got < 0)
		return err_set(err, (int)-got, "cannot receive the config: %s",
			       strerror((int)-got));
	AUTO_FD memfd = n ? fds[0] : -1;
	for (unsigned i = 1; i < n; i++)
		l.fds[l.nfds++] = fds[i];
	int rc;
	if (got != (ssize_t)sizeof(h) || h.magic != LAUNCH_MAGIC || h.version != LAUNCH_VERSION)
		rc = err_set(err, EPROTO,
			     "the launcher sent no config of version %u: both must come from the "
			     "same build",
			     LAUNCH_VERSION);
	else if (memfd < 0 || h.nfds != l.nfds)
		rc = err_set(err, EPROTO, "%u descriptors came with the config; %u were announced",
			     l.nfds, h.nfds);
	else
		rc = unpack(&l, memfd, h.config_len, err);
	if (rc) {
		launch_fini(&l);
		return rc;
	}
	*ret = l;
	return 0;
}

void launch_fini(struct launch *l)
{
	for (unsigned i = 0; i < l->nfds; i++)
		fd_close(&l->fds[i]);
	l->nfds = 0;
	ctl_free((ProtobufCMessage *)l->cfg);
	l->cfg = NULL;
}
