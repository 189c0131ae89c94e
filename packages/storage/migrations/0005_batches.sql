CREATE TABLE "batches" (
	"sequence" bigserial PRIMARY KEY NOT NULL,
	"id" text NOT NULL,
	"project" text NOT NULL,
	"caller" text NOT NULL,
	"status" text NOT NULL,
	"endpoint" text NOT NULL,
	"input_file_id" text NOT NULL,
	"input_digest" text,
	"completion_window" text NOT NULL,
	"metadata" text,
	"output_expires_after" bigint,
	"model" text,
	"errors" text,
	"output_file_id" text,
	"error_file_id" text,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"in_progress_at" bigint,
	"finalizing_at" bigint,
	"completed_at" bigint,
	"failed_at" bigint,
	"expired_at" bigint,
	"cancelling_at" bigint,
	"cancelled_at" bigint,
	"total" bigint DEFAULT 0 NOT NULL,
	"completed" bigint DEFAULT 0 NOT NULL,
	"failed" bigint DEFAULT 0 NOT NULL,
	"input_tokens" bigint DEFAULT 0 NOT NULL,
	"cached_tokens" bigint DEFAULT 0 NOT NULL,
	"output_tokens" bigint DEFAULT 0 NOT NULL,
	"reasoning_tokens" bigint DEFAULT 0 NOT NULL,
	"claimed_by" text,
	"claimed_until" bigint
);
--> statement-breakpoint
CREATE UNIQUE INDEX "batches_id" ON "batches" ("id");
--> statement-breakpoint
CREATE INDEX "batches_project" ON "batches" ("project", "sequence");
--> statement-breakpoint
CREATE INDEX "batches_digest" ON "batches" ("input_digest");
--> statement-breakpoint
CREATE TABLE "batch_results" (
	"batch_id" text NOT NULL REFERENCES "batches" ("id") ON DELETE CASCADE,
	"line" bigint NOT NULL,
	"succeeded" boolean NOT NULL,
	"body" text NOT NULL,
	PRIMARY KEY ("batch_id", "line")
);
