CREATE TABLE "uploads" (
	"id" text PRIMARY KEY NOT NULL,
	"project" text NOT NULL,
	"filename" text NOT NULL,
	"purpose" text NOT NULL,
	"mime_type" text NOT NULL,
	"bytes" bigint NOT NULL,
	"status" text NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"file_expires_after" bigint,
	"file_id" text
);
--> statement-breakpoint
CREATE INDEX "uploads_expiry" ON "uploads" ("status", "expires_at");
--> statement-breakpoint
CREATE TABLE "upload_parts" (
	"id" text PRIMARY KEY NOT NULL,
	"upload_id" text NOT NULL REFERENCES "uploads" ("id"),
	"bytes" bigint NOT NULL,
	"digest" text NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE INDEX "upload_parts_upload" ON "upload_parts" ("upload_id");
--> statement-breakpoint
CREATE INDEX "upload_parts_digest" ON "upload_parts" ("digest");
