#pragma once

#include "namespaces.h"
#include "sockets.h"
