#ifndef ROLLBOOK_CLIBSSH2_SHIM_H
#define ROLLBOOK_CLIBSSH2_SHIM_H

#include <libssh2.h>

#endif
