// SPDX-License-Identifier: GPL-2.0-or-later
/* Fuzzer of the settings of a device. */
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "settings.h"

static const struct key keys[] = {
	{ "path", "FILE", "" }, { "ro", NULL, "" }, { "size", "N", "" }, { 0 }
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), problem[SETTINGS_PROBLEM];
	struct settings settings;
	uint64_t number;

	memcpy(text, data, size);
	text[size] = '\0';
	if (settings_parse(&settings, keys, text, problem) == 0) {
		for (int i = 0; keys[i].name; i++)
			if (settings.values[i] && strlen(settings.values[i]) > size)
				abort();
		if (settings.values[2] &&
		    setting_number(settings.values[2], 3, 99, &number) == 0 &&
		    (number < 3 || number > 99))
			abort();
		settings_free(&settings);
	} else if (!memchr(problem, '\0', sizeof(problem))) {
		abort();
	}
	parse_size(text, &number);
	free(text);
	return 0;
}
