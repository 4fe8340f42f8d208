/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/virtio/tmodel.h"

static uint64_t tm_features(struct dm *dm, const void *state)
{
	(void)dm, (void)state;
	return TM_F_ONE | TM_F_BAD;
}

static void tm_setup(struct dm *dm, void *state)
{
	struct tmodel *s = state;
	(void)dm;
	s->setups++;
	s->nkept = 0;
	s->q[0].size_max = s->q[1].size_max = s->q[3].size_max = TM_QUEUE_SIZE;
	for (unsigned i = 0; i < 8; i++)
		virtio_config_put(s, i, 1, 0x10 + i);
	virtio_config_put(s, TM_CONFIG_WORD, 8, 0x1122334455667788ull + s->words);
}

static bool tm_features_ok(struct dm *dm, void *state, uint64_t features)
{
	(void)dm, (void)state;
	return !(features & TM_F_BAD);
}

static void tm_driver_ok(struct dm *dm, void *state)
{
	(void)dm;
	((struct tmodel *)state)->oks++;
}

static void tm_quiesce(struct dm *dm, void *state, int q)
{
	struct tmodel *s = state;
	(void)dm;
	s->quiesces++;
	s->quiesced = q + 1;
	if (q < 0 || q == 1)
		s->nkept = 0;
}

static bool echo(struct dm *dm, struct tmodel *s, unsigned q, unsigned budget)
{
	struct vring_chain c;
	unsigned n = 0;
	int rc = 1;
	while (n < budget && (rc = virtio_pop(dm, s, q, &c)) > 0) {
		uint8_t buf[256];
		size_t len = vring_iov_read(c.out, c.nout, 0, buf, sizeof(buf));
		len = vring_iov_write(c.in, c.nin, 0, buf, len);
		virtio_push(dm, s, q, c.id, c.ndesc, (uint32_t)len);
		n++;
	}
	if (n)
		virtio_signal(dm, s, q);
	return rc > 0;
}

static bool tm_queue(struct dm *dm, void *state, unsigned q, unsigned budget)
{
	struct tmodel *s = state;
	struct vring_chain c;
	s->calls[q]++;
	if (q != 1)
		return echo(dm, s, q, budget);
	while (s->nkept < TM_KEEP && virtio_pop(dm, s, q, &c) > 0) {
		s->kept[s->nkept].id = c.id;
		s->kept[s->nkept++].ndesc = c.ndesc;
	}
	return false;
}

static void tm_config_write(struct dm *dm, void *state, uint32_t offset, unsigned width)
{
	struct tmodel *s = state;
	s->writes++;
	s->write_offset = offset;
	s->write_width = width;
	if (offset)
		return;
	for (unsigned i = 0; i < s->nkept; i++)
		virtio_push(dm, s, 1, s->kept[i].id, s->kept[i].ndesc, 0);
	s->nkept = 0;
	virtio_signal(dm, s, 1);
	virtio_more(dm, s, 1);
}

static unsigned tm_seen(void *ctx, uint16_t id)
{
	struct tmodel *s = ctx;
	for (unsigned i = 0; i < s->nkept; i++) {
		if (s->kept[i].id != id)
			continue;
		unsigned n = s->kept[i].ndesc;
		s->kept[i] = s->kept[--s->nkept];
		return n;
	}
	return 0;
}

static void tm_resume(struct dm *dm, void *state)
{
	virtio_adopt_all(dm, state, 0);
	virtio_adopt(dm, state, 1, tm_seen, state);
	virtio_adopt_all(dm, state, 3);
}

void tm_set_word(struct dm *dm, uint64_t value)
{
	struct tmodel *s = dm->state;
	s->words++;
	virtio_config_put(s, TM_CONFIG_WORD, 8, value);
	virtio_config_changed(dm, s);
}

static void tm_inspect(struct dm *dm, const void *state, struct dm_text *text)
{
	(void)dm;
	dm_text_item(text, "kept", "%u", ((const struct tmodel *)state)->nkept);
}

static const struct virtio_model model = {
	.device_id = 42,
	.queues = 4,
	.config_writable = TM_CONFIG_WRITABLE,
	.features = tm_features,
	.setup = tm_setup,
	.features_ok = tm_features_ok,
	.driver_ok = tm_driver_ok,
	.quiesce = tm_quiesce,
	.queue = tm_queue,
	.config_write = tm_config_write,
	.resume = tm_resume,
	.inspect = tm_inspect,
};

/* clang-format off */
const struct dm_class dm_class_tmodel = {
	.name = "tmodel",
	.version = 1,
	.summary = "a virtio device for tests",
	VIRTIO_DM_CLASS(&model),
	.options = (const struct dm_option[]){VIRTIO_OPTIONS, {}},
	.state_size = sizeof(struct tmodel),
};
