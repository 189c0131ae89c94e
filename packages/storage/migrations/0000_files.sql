CREATE TABLE "files" (
	"id" text PRIMARY KEY NOT NULL,
	"filename" text NOT NULL,
	"purpose" text NOT NULL,
	"bytes" bigint NOT NULL,
	"digest" text NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint,
	"sequence" bigserial NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "files_sequence" ON "files" ("sequence");
--> statement-breakpoint
CREATE INDEX "files_digest" ON "files" ("digest");
