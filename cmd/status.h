/* Between the parts of `status`: status_words.c says what it means, status_domains.c what fails
 * together, status_print.c prints it. */
#ifndef MRMR_CMD_STATUS_H
#define MRMR_CMD_STATUS_H

#include "cmd/standing.h"

#include "array/health.h"
#include "cmd/capacity.h"
#include "cmd/commands.h"

/* A sentence, a drive's remark in it. */
#define SAYING_BYTES (REMARK_BYTES + 512)

enum array_state { ARRAY_OPTIMAL, ARRAY_RECOVERING, ARRAY_DEGRADED, ARRAY_FAILED };

struct status {
	struct invocation *inv;
	struct array *a;
	struct drive_standing *drives; /* of each drive of the array */
	struct table_verification *verified; /* the same, and behind them the sum */
	struct health health, attached; /* now; and when all that may come back are back */
	struct capacity capacity;
	struct lost_data lost;
	enum array_state state;
	/* Lists of sentences, and of objects; both the lines and the JSON are made of them. */
	json_t *meaning, *action, *shared, *help; /* help: against what shared tells */
};

/* Appends a sentence. */
__attribute__((format(printf, 2, 3))) void say(json_t *list, const char *fmt, ...);

/* Fills meaning and action. */
void status_explain(struct status *s);
void status_advise(struct status *s);
/* Drives that fail together: fills shared and help; prints them. */
int status_find_shared(struct status *s, struct error *err);
void status_print_shared(struct status *s);
/* Blocks are gone for good. */
bool status_is_gone(const struct status *s);

void status_print_json(struct status *s);
int status_print(struct status *s, struct error *err);

#endif
