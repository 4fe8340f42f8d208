/* SPDX-License-Identifier: Apache-2.0 */
/* main() of every daemon; the build says which class: -DDM_CLASS=dm_class_<model>. */
#include "devmodel/core/daemon.h"

extern const struct dm_class DM_CLASS;

int main(int argc, char **argv)
{
	return daemon_main(&DM_CLASS, argc, argv);
}
