#pragma once

typedef struct stdio_driver stdio_driver_t;
